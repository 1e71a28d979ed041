package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"sigs.k8s.io/yaml"
)

// weeksSite is a site inside: a host that unpacks, a mirror, and a cluster with its rules.
type weeksSite struct {
	*world
	r       *weeksRun
	name    string
	host    string
	storage string
	collect func()
	present bool // the rules that the cluster has are given
	arrived map[int]bool
	newest  int
	rules   map[string][]string // the mirrors of each source
	names   []string            // of the objects with them, once they are fixed
	objects map[string][]byte   // all that were applied

	prunedAt      int          // the newest week then
	kept          []*churnWeek // what stayed of the weeks until then
	before, after int64        // bytes of the storage then
	// keepsTags: the registry does not delete a tag alone.
	keepsTags bool
}

// site adds one. unpack is given the rules of its cluster if present, else they are known from
// receipts alone.
func (r *weeksRun) site(name, host, storage string, collect func(), present bool) *weeksSite {
	r.t.Helper()
	s := &weeksSite{world: newWorld(r.t), r: r, name: name, host: host, storage: storage, collect: collect, present: present, arrived: map[int]bool{}, objects: map[string][]byte{}}
	s.key, s.secret = r.key, r.secret
	r.sites = append(r.sites, s)
	return s
}

func (s *weeksSite) to() string { return s.host + "/ocp" }

// out is the output directory of a week.
func (s *weeksSite) out(n int) string { return filepath.Join(s.dir, fmt.Sprint("cluster-", n)) }

func (s *weeksSite) unpacked(n int) result {
	s.t.Helper()
	on := *s.world
	on.drive = s.r.bundleDir(n)
	var flags []string
	if s.present && len(s.rules) > 0 {
		flags = append(flags, "--present-rules", filepath.Join(s.dir, "rules.yaml"))
	}
	return on.run(on.unpackSite(s.to(), s.out(n), flags...)...).want(exitOK)
}

// unpack has a week's bundle arrive.
func (s *weeksSite) unpack(n int) {
	s.t.Helper()
	done := s.unpacked(n)
	s.t.Logf("%s: week %d, %v\n%s", s.name, n, done.took, done.stderr)
	s.arrived[n], s.newest = true, max(s.newest, n)
	if row := &s.r.rows[n-1]; row.unpack == 0 {
		row.unpack = done.took
	}
	if n < s.newest {
		done.says("3 tags stay as newer bundles of this stream have set them", "names the catalogs of an older bundle")
	}
	s.r.sizes = receiptFits(s.t, filepath.Join(s.out(n), "receipt.json"))
	s.apply(n)
}

// again unpacks a bundle that is there: nothing changes.
func (s *weeksSite) again(n int) {
	s.t.Helper()
	before := readStorage(s.t, s.storage)
	s.unpacked(n).says("nothing to do")
	if diff := before.difference(readStorage(s.t, s.storage)); diff != "" {
		s.t.Errorf("%s: week %d again: %s", s.name, n, diff)
	}
}

// check holds the storage of the mirror against what arrived, and reads every image of the
// kept weeks.
func (s *weeksSite) check(kept []*churnWeek) {
	s.t.Helper()
	want := s.wanted(s.needed())
	if s.kept != nil && s.keepsTags {
		s.leftTags(want)
	}
	has := readStorage(s.t, s.storage)
	s.receipts(has, want)
	if diff := want.difference(has); diff != "" {
		s.t.Errorf("%s, after week %d: %s", s.name, s.newest, diff)
	}
	read := map[string]bool{}
	for _, w := range kept {
		for _, p := range w.images {
			if err := s.pull("ocp/"+p.repo, p.root, read); err != nil {
				s.t.Errorf("%s, after week %d: %s of week %d: %v", s.name, s.newest, p.source, w.number, err)
			}
		}
	}
}

// needed lists the weeks whose images the mirror has: all that arrived, but what prune took.
func (s *weeksSite) needed() []*churnWeek {
	list := slices.Clone(s.kept)
	for _, w := range s.r.weeks {
		if s.arrived[w.number] && w.number > s.prunedAt {
			list = append(list, w)
		}
	}
	return list
}

// pull reads all of an image; a blob of several repositories is read in one and asked for in the
// others.
func (s *weeksSite) pull(repo string, root oci.Descriptor, read map[string]bool) error {
	from := mirroredRepo{s.host, repo}
	if root.Size == 0 { // satchel built it
		root = from.root(s.t, root.Digest.String())
	}
	return oci.Walk(s.t.Context(), from, root, func(d oci.Descriptor, body []byte) error {
		key := repo + d.Digest.String()
		if body != nil || read[key] {
			return nil
		}
		read[key] = true
		if read[d.Digest.String()] {
			return s.serves(repo, d)
		}
		read[d.Digest.String()] = true
		return readWhole(s.t.Context(), oci.Verified(from), d)
	})
}

// serves asks for a blob in one more repository.
func (s *weeksSite) serves(repo string, d oci.Descriptor) error {
	resp, err := http.Head("http://" + s.host + "/v2/" + repo + "/blobs/" + d.Digest.String())
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || resp.ContentLength != d.Size {
		err = fmt.Errorf("%s in %s: %s, %d bytes", d.Digest, repo, resp.Status, resp.ContentLength)
	}
	return errors.Join(err, resp.Body.Close())
}

func readWhole(ctx context.Context, from oci.Source, d oci.Descriptor) error {
	rc, err := from.Open(ctx, d, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, rc)
	if cerr := rc.Close(); err == nil {
		err = cerr
	}
	return err
}

// wanted is what the storage must have after these weeks.
func (s *weeksSite) wanted(weeks []*churnWeek) *stored {
	s.t.Helper()
	want := newStored()
	for _, w := range weeks {
		for _, p := range w.images {
			repo := "ocp/" + p.repo
			s.reach(want, repo, p.root)
			want.tag(repo, p.fixed, p.root.Digest.Encoded())
			if p.moving != "" {
				want.tag(repo, p.moving, p.root.Digest.Encoded()) // weeks are in order
			}
		}
		for name, d := range w.signed {
			repo, tag, _ := strings.Cut("ocp/"+name, ":")
			s.reach(want, repo, d)
			want.tag(repo, tag, d.Digest.Encoded())
		}
		s.noted(want, w.noted)
	}
	return want
}

// reach adds all that an image has. What satchel built is read from the mirror itself.
func (s *weeksSite) reach(want *stored, repo string, root oci.Descriptor) {
	s.t.Helper()
	var src oci.Source = s.r.set.c
	if _, err := s.r.set.c.Reader(root.Digest); err != nil {
		root, src = mirroredRepo{s.host, repo}.root(s.t, root.Digest.String()), mirroredRepo{s.host, repo}
	}
	err := oci.Walk(s.t.Context(), oci.Verified(src), root, func(d oci.Descriptor, body []byte) error {
		want.blobs[d.Digest.Encoded()] = true
		if body != nil {
			want.manifest(repo, d.Digest.Encoded())
		}
		return nil
	})
	if err != nil {
		s.t.Errorf("%s: %s: %v", s.name, repo, err)
	}
}

// receipts takes what satchel keeps for itself out of the comparison: each of it has a tag.
func (s *weeksSite) receipts(has, want *stored) {
	s.t.Helper()
	const repo = "ocp/satchel/receipts"
	if len(has.tags[repo]) == 0 {
		s.t.Errorf("%s: no receipts in the mirror", s.name)
	}
	for tag, hex := range has.tags[repo] {
		d := mirroredRepo{s.host, repo}.root(s.t, tag)
		if d.Digest.Encoded() != hex {
			s.t.Errorf("%s: %s is %s", s.name, tag, d.Digest)
		}
		s.reach(want, repo, d)
		want.tag(repo, tag, hex)
	}
}

// apply has the cluster take the rules of a week: objects are replaced by name. No source and
// no mirror goes, and once a bundle has arrived the names are fixed.
func (s *weeksSite) apply(n int) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.out(n), "icsp-*.yaml"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("%s, week %d: no rules: %v", s.name, n, err)
	}
	rules, names := map[string][]string{}, []string{}
	for _, file := range files {
		body := readFile(s.t, file)
		name, list := rulesIn(s.t, body)
		names = append(names, name)
		s.objects[name] = body
		maps.Copy(rules, list)
	}
	for source, mirrors := range s.rules {
		for _, m := range mirrors {
			if !slices.Contains(rules[source], m) {
				s.t.Errorf("%s, week %d: the rules no longer have %s for %s", s.name, n, m, source)
			}
		}
	}
	if len(s.names) > 0 && !slices.Equal(s.names, names) {
		s.t.Errorf("%s, week %d: the objects are %v, and were %v", s.name, n, names, s.names)
	}
	if len(s.rules) > 0 {
		s.names = names
	}
	s.rules = rules
	var all [][]byte
	for _, name := range keysOf(s.objects) {
		all = append(all, s.objects[name])
	}
	if err := os.WriteFile(filepath.Join(s.dir, "rules.yaml"), bytes.Join(all, []byte("---\n")), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// rulesIn reads one object: the mirrors of each source.
func rulesIn(t testing.TB, body []byte) (name string, rules map[string][]string) {
	t.Helper()
	var o struct {
		Metadata struct{ Name string }
		Spec     struct {
			RepositoryDigestMirrors []struct {
				Source  string
				Mirrors []string
			}
		}
	}
	if err := yaml.Unmarshal(body, &o); err != nil {
		t.Fatal(err)
	}
	rules = map[string][]string{}
	for _, r := range o.Spec.RepositoryDigestMirrors {
		rules[r.Source] = r.Mirrors
	}
	return o.Metadata.Name, rules
}
