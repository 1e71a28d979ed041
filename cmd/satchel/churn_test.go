package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// churned is a component in one release of a public history: which repository has it, and the
// beginning of its digest.
type churned struct{ repo, digest string }

// readChurn reads the history of a minor version, and gives the last release of each week
// that has one, by component.
func readChurn(t testing.TB, minor string) (weeks []map[string]churned) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(readFile(t, filepath.Join(shared(t, "release/churn"), minor+".tsv"))))
	week, release := -1, ""
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		if len(f) != 5 || f[0] == "date" {
			continue
		}
		day, err := time.Parse(time.DateOnly, f[0])
		if err != nil {
			t.Fatal(err)
		}
		// 1970 began on a Thursday.
		switch n := int(day.Unix()/(24*60*60)+3) / 7; {
		case n != week:
			week, release, weeks = n, f[1], append(weeks, map[string]churned{})
		case release != f[1]:
			release, weeks[len(weeks)-1] = f[1], map[string]churned{}
		}
		weeks[len(weeks)-1][f[2]] = churned{f[3], f[4]}
	}
	if len(weeks) < 8 {
		t.Fatalf("the history of %s has %d weeks", minor, len(weeks))
	}
	return weeks
}

// churnForm is how much is made of a history.
type churnForm struct {
	seed    uint64
	minor   string
	weeks   int // from the first of the history on
	only    int // components of the release, by name; 0: all
	copies  int // of each, the next as the component was eight weeks later
	layer   int // median size of a layer, in bytes
	retired int // in this week the catalog has the last week's version no more
}

// churnSet makes images that change as a history says: a component's image is another one when
// its digest there is.
type churnSet struct {
	churnForm
	t       testing.TB
	history []map[string]churned
	c       *ocitest.Content
	seen    map[string]oci.Descriptor    // by component and digest
	layers  map[string]oci.Descriptor    // that several images share
	built   map[string]int               // images of each component
	heads   map[string][]operatorVersion // of the operators' channels, oldest first
}

// operatorVersion is one version of an operator.
type operatorVersion struct {
	number string
	image  string   // of the bundle
	needs  []string // related images
}

// placed is an image that a bundle needs, and where a mirror has it.
type placed struct {
	source string // with its digest
	repo   string // below the mirror's namespace
	moving string // its tag that can move; "" where it has none
	fixed  string // its tag that never moves
	root   oci.Descriptor
}

// churnWeek is what one week's configuration asks for.
type churnWeek struct {
	number  int
	version string
	changed int                       // components of the release whose image is another one than in the week before
	images  []placed                  // without the catalog, which satchel builds
	signed  map[string]oci.Descriptor // cosign's signatures, by repository and tag
	noted   oci.Image                 // a referrer of acme/list
	source  []published
}

// published is a reference that the packing side can reach.
type published struct {
	ref  string
	root oci.Descriptor
}

const (
	catalogRepo  = "redhat/redhat-operator-index"
	churnCatalog = "registry.redhat.io/" + catalogRepo + ":v4.16"
	churnPayload = "quay.io/openshift-release-dev/ocp-release"
)

// churnConfig is the configuration, the same in all weeks.
const churnConfig = `  platform:
    channels: [{name: stable-4.16}]
  operators:
    - catalog: ` + churnCatalog + `
      packages:
        - name: lvms-operator
        - name: database
  additionalImages:
    - name: registry.redhat.io/ubi9:latest
    - name: quay.io/acme/tool:latest
    - name: quay.io/acme/list:latest
    - name: quay.io/acme/fixed:1.0
`

func newChurnSet(t testing.TB, f churnForm) *churnSet {
	t.Helper()
	t.Logf("seed %d", f.seed)
	return &churnSet{churnForm: f, t: t, history: readChurn(t, f.minor), c: ocitest.New(f.seed), seen: map[string]oci.Descriptor{},
		layers: map[string]oci.Descriptor{}, built: map[string]int{}, heads: map[string][]operatorVersion{}}
}

// size is that of a layer: most are small, few are large (log-normal), the same for the same
// name.
func (s *churnSet) size(name string) int {
	h := fnv.New64a()
	h.Write([]byte(name)) // it cannot fail
	r := rand.New(rand.NewPCG(s.seed, h.Sum64()))
	return 2<<10 + int(float64(s.layer)*math.Exp(min(r.NormFloat64(), 2.5)))
}

// shared is a layer that several images have.
func (s *churnSet) shared(name string) oci.Descriptor {
	d, ok := s.layers[name]
	if !ok {
		d = s.c.Layer(s.size(name), ocitest.LayerGzip)
		s.layers[name] = d
	}
	return d
}

// image makes the next image of a component in a week: the layer below, one of three, is
// another one every fourth week; that in the middle with every second image; the top with each.
func (s *churnSet) image(name string, week int) oci.Descriptor {
	n := s.built[name]
	s.built[name]++
	family := s.size(name) % 3
	below := s.shared(fmt.Sprintf("base %d %d", family, (week+family)/4))
	middle := s.shared(fmt.Sprintf("%s %d", name, n/2))
	return s.c.Image(family == 0, below, middle, s.c.Layer(s.size(name), ocitest.LayerGzip))
}

// component gives the image of a component in a week.
func (s *churnSet) component(name string, week int, is churned) oci.Descriptor {
	key := name + " " + is.digest
	d, ok := s.seen[key]
	if !ok {
		d = s.image(name, week)
		s.seen[key] = d
	}
	return d
}

// components lists the images of a week, by name: the release's own, and others.
func (s *churnSet) components(week int) (own, others map[string]published) {
	own, others = map[string]published{}, map[string]published{}
	now := s.history[week]
	names := slices.Sorted(maps.Keys(now))
	const release = "openshift-release-dev/"
	mine := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(now[n].repo, release) })
	if s.only > 0 {
		mine = mine[:min(s.only, len(mine))]
	}
	for _, name := range mine {
		for i := range max(s.copies, 1) {
			then, as := s.history[(week+8*i)%len(s.history)][name], name
			if i > 0 {
				as = fmt.Sprintf("%s-%d", name, i+1)
			}
			if then.repo == "" {
				then = now[name]
			}
			d := s.component(as, week, then)
			own[as] = published{"quay.io/" + now[name].repo + "@" + d.Digest.String(), d}
		}
	}
	for _, name := range names {
		if !strings.HasPrefix(now[name].repo, release) {
			d := s.component(name, week, now[name])
			others[name] = published{"registry.redhat.io/" + now[name].repo + "@" + d.Digest.String(), d}
		}
	}
	return own, others
}

// week makes what there is in week n, counted from 1.
func (s *churnSet) week(n int) *churnWeek {
	s.t.Helper()
	w := &churnWeek{number: n, version: fmt.Sprintf("4.16.%d", n), signed: map[string]oci.Descriptor{}}
	own, others := s.components(n - 1)
	s.release(w, own)
	s.operators(w, others)
	for name, p := range others {
		if strings.HasPrefix(name, "openssl") { // the base image of ubi, whatever it is called in a week
			w.add(published{"registry.redhat.io/ubi9:latest", p.root}, "ubi9", "latest", "")
		}
	}
	tool := s.image("tool", n)
	w.add(published{"quay.io/acme/tool:latest", tool}, "acme/tool", "latest", "")
	sig := s.c.Artifact("application/vnd.dev.cosign.artifact.sig.v1+json", s.c.Layer(900, "application/vnd.dev.cosign.simplesigning.v1+json"))
	tag := "sha256-" + tool.Digest.Encoded() + ".sig"
	w.signed["acme/tool:"+tag], w.source = sig, append(w.source, published{"quay.io/acme/tool:" + tag, sig})
	arm := s.shared(fmt.Sprintf("list %d", n/2)) // one of the two platforms changes every second week
	list := s.c.IndexFor(false, []string{"amd64", "arm64"}, s.image("list", n), s.c.ImageFor("arm64", false, arm))
	w.add(published{"quay.io/acme/list:latest", list}, "acme/list", "latest", "")
	note := referrer(s.t, s.c, list, s.c.Layer(700, ocitest.LayerGzip))
	w.noted = oci.Image{Source: oci.Ref{Registry: "quay.io", Repository: "acme/list", Digest: note.Digest}, Root: note, Subject: list.Digest}
	w.add(published{"quay.io/acme/fixed:1.0", s.component("fixed", 0, churned{})}, "acme/fixed", "1.0", "")
	return w
}

// add has an image published and carried.
func (w *churnWeek) add(p published, repo, moving, fixed string) {
	source, _, _ := strings.Cut(p.ref, "@")
	if i := strings.LastIndex(source, ":"); i > strings.LastIndex(source, "/") {
		source = source[:i]
	}
	if fixed == "" {
		fixed = "satchel-" + p.root.Digest.Encoded()
	}
	w.images = append(w.images, placed{source + "@" + p.root.Digest.String(), repo, moving, fixed, p.root})
	w.source = append(w.source, p)
}

func (s *churnSet) release(w *churnWeek, own map[string]published) {
	s.t.Helper()
	refs := map[string]string{}
	var before map[string]published
	if w.number > 1 {
		before, _ = s.components(w.number - 2)
	}
	for name, p := range own {
		refs[name] = p.ref
		w.add(p, "openshift/release", "", w.version+"-x86_64-"+name)
		if before[name].ref != p.ref {
			w.changed++
		}
	}
	payload, err := s.c.Payload(w.version, "amd64", refs, s.shared("base 0 0"))
	if err != nil {
		s.t.Fatal(err)
	}
	w.add(published{churnPayload + "@" + payload.Digest.String(), payload}, "openshift/release-images", "", w.version+"-x86_64")
}

// graph is the update graph of the channel, with the releases of all weeks so far.
func graphOf(t testing.TB, weeks []*churnWeek) []byte {
	t.Helper()
	var nodes []map[string]string
	edges := [][2]int{}
	for i, w := range weeks {
		payload := w.images[slices.IndexFunc(w.images, func(p placed) bool { return p.repo == "openshift/release-images" })]
		nodes = append(nodes, map[string]string{"version": w.version, "payload": payload.source})
		for j := range i {
			edges = append(edges, [2]int{j, i})
		}
	}
	body, err := json.Marshal(map[string]any{"version": 1, "nodes": nodes, "edges": edges, "conditionalEdges": []any{}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}
