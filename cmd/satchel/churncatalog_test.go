package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// channels of the operators; database's stable one moves every second week.
var churnChannels = map[string][]string{"lvms-operator": {"stable-4.16"}, "database": {"fast", "stable"}, "unwanted": {"stable"}}

// operators makes this week's catalog: each operator has a new version. What the
// configuration asks for are the heads of channels; a merged catalog keeps those of the weeks
// before, also one that was withdrawn since.
func (s *churnSet) operators(w *churnWeek, others map[string]published) {
	s.t.Helper()
	catalog := map[string][]byte{}
	for _, pkg := range slices.Sorted(maps.Keys(churnChannels)) {
		v := operatorVersion{number: w.version}
		bundle := s.c.Image(false, s.c.Layer(s.layer/20+2<<10, ocitest.LayerGzip))
		v.image = "registry.redhat.io/" + pkg + "/bundle@" + bundle.Digest.String()
		w.source = append(w.source, published{v.image, bundle})
		if pkg == "lvms-operator" {
			for _, name := range slices.Sorted(maps.Keys(others)) {
				if p := others[name]; !strings.HasPrefix(name, "openssl") {
					v.needs, w.source = append(v.needs, p.ref), append(w.source, p)
				}
			}
		} else {
			operand := s.image(pkg, w.number)
			ref := "registry.redhat.io/" + pkg + "/operand@" + operand.Digest.String()
			v.needs, w.source = []string{ref}, append(w.source, published{ref, operand})
		}
		s.heads[pkg] = append(s.heads[pkg], v)
		catalog[pkg+"/catalog.json"] = s.documents(pkg, w.number)
	}
	root, err := s.c.Catalog("amd64", catalog, s.shared("base 1 0"))
	if err != nil {
		s.t.Fatal(err)
	}
	w.source = append(w.source, published{churnCatalog, root})
	s.carried(w)
}

// carried adds the images of all heads of channels since the first week.
func (s *churnSet) carried(w *churnWeek) {
	seen := map[string]bool{}
	for pkg, list := range s.heads {
		if pkg == "unwanted" {
			continue
		}
		for _, v := range list {
			for _, ref := range append([]string{v.image}, v.needs...) {
				repo, digest, _ := strings.Cut(strings.TrimPrefix(ref, "registry.redhat.io/"), "@")
				if seen[ref] {
					continue
				}
				seen[ref] = true
				i := slices.IndexFunc(s.c.All(), func(d oci.Descriptor) bool { return d.Digest.String() == digest })
				w.images = append(w.images, placed{ref, repo, "", "satchel-" + strings.TrimPrefix(digest, "sha256:"), s.c.All()[i]})
			}
		}
	}
}

// documents is a package of this week's catalog.
func (s *churnSet) documents(pkg string, week int) []byte {
	s.t.Helper()
	var out bytes.Buffer
	put := func(doc map[string]any) {
		if err := json.NewEncoder(&out).Encode(doc); err != nil {
			s.t.Fatal(err)
		}
	}
	put(map[string]any{"schema": "olm.package", "name": pkg, "defaultChannel": churnChannels[pkg][0]})
	for _, channel := range churnChannels[pkg] {
		var entries []map[string]any
		last := ""
		for n := 1; n <= week; n++ {
			if channel == "stable" && n%2 == 0 {
				continue
			}
			e := map[string]any{"name": fmt.Sprintf("%s.v4.16.%d", pkg, n)}
			if s.gone(pkg, n, week) {
				continue
			}
			if last != "" {
				e["replaces"] = last
			}
			if s.gone(pkg, n-1, week) {
				e["skips"] = []string{fmt.Sprintf("%s.v4.16.%d", pkg, n-1)}
			}
			last = e["name"].(string)
			entries = append(entries, e)
		}
		put(map[string]any{"schema": "olm.channel", "package": pkg, "name": channel, "entries": entries})
	}
	for i, v := range s.heads[pkg] {
		if s.gone(pkg, i+1, week) {
			continue
		}
		related := []map[string]string{{"name": "", "image": v.image}}
		for j, ref := range v.needs {
			related = append(related, map[string]string{"name": fmt.Sprintf("image-%d", j), "image": ref})
		}
		put(map[string]any{"schema": "olm.bundle", "package": pkg, "name": pkg + ".v" + v.number, "image": v.image, "relatedImages": related,
			"properties": []any{map[string]any{"type": "olm.package", "value": map[string]string{"packageName": pkg, "version": v.number}}}})
	}
	return out.Bytes()
}

// gone says whether a version of lvms-operator is withdrawn in a week.
func (s *churnSet) gone(pkg string, n, week int) bool {
	return pkg == "lvms-operator" && s.retired > 0 && n == s.retired-1 && week >= s.retired
}

// grows holds what a bundle carries of the catalog against all that the weeks so far had: no
// version goes, not even the one that was withdrawn, and the head of each channel is the newest.
func (s *churnSet) grows(week int, got []manifests.CatalogContents) {
	s.t.Helper()
	want, is := []string{}, []string{}
	for pkg, channels := range churnChannels {
		for _, channel := range channels {
			line, head := pkg+" "+channel, ""
			for n := 1; n <= week; n++ {
				if pkg != "unwanted" && (channel != "stable" || n%2 == 1) {
					head = fmt.Sprintf("%s.v4.16.%d", pkg, n)
					line += " " + head
				}
			}
			if head != "" {
				want = append(want, line+", head "+head)
			}
		}
	}
	for _, c := range got {
		for _, p := range c.Packages {
			for _, ch := range p.Channels {
				line := p.Name + " " + ch.Name
				for _, v := range ch.Versions {
					line += " " + v.Bundle
				}
				is = append(is, line+", head "+ch.Head)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(is)
	if !slices.Equal(is, want) {
		s.t.Errorf("week %d: the catalog has\n%s\nand not\n%s", week, strings.Join(is, "\n"), strings.Join(want, "\n"))
	}
}
