package check_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// removal is something that is taken away, and what is to be found of it.
type removal struct {
	what  string
	paths []string // in the registry's storage
	image string   // as nodes name it
	rule  string   // the repository that it is named by
	kinds []check.Kind
	of    digest.Digest // that was taken away, or of the image whose tag was
	root  digest.Digest // of the image
}

// repoDir is a repository in the storage of the registry.
func (w *world) repoDir(place string) string {
	_, repo, _ := strings.Cut(place, "/")
	return filepath.Join(w.mirror.Dir, "docker/registry/v2/repositories", repo)
}

func (w *world) manifestPath(place string, d digest.Digest) string {
	return filepath.Join(w.repoDir(place), "_manifests/revisions/sha256", d.Encoded())
}

func (w *world) blobPath(place string, d digest.Digest) string {
	return filepath.Join(w.repoDir(place), "_layers/sha256", d.Encoded())
}

// removals lists what can be taken away from each image that was served.
func (w *world) removals(r *check.Report) (list []removal) {
	w.t.Helper()
	for _, img := range r.Images {
		if img.Place == "" {
			continue
		}
		ref, err := oci.ParseRef(img.Image)
		if err != nil {
			w.t.Fatal(err)
		}
		one := removal{root: img.Digest, image: img.Image, rule: ref.Name(), kinds: []check.Kind{check.Missing, check.Attachment}}
		if img.Rule == "" {
			one.rule = ""
		}
		add := func(what string, of digest.Digest, paths ...string) {
			one.what, one.of, one.paths = what, of, paths
			list = append(list, one)
		}
		if ref.Digest != "" {
			add("manifest", img.Digest, w.manifestPath(img.Place, img.Digest))
		} else {
			add("tag", img.Digest, filepath.Join(w.repoDir(img.Place), "_manifests/tags", ref.Tag))
		}
		blobs := w.blobs(img.Place, img.Digest)
		for _, d := range w.children(img.Place, img.Digest) {
			add("image of one platform", d, w.manifestPath(img.Place, d))
			blobs = append(blobs, w.blobs(img.Place, d)...)
		}
		for _, d := range blobs {
			if ref.Digest != "" { // its tag names the same
				add("blob", d, w.blobPath(img.Place, d))
			}
		}
	}
	return list
}

// blobs are those of an image, as far as its repository has them.
func (w *world) blobs(place string, d digest.Digest) (list []digest.Digest) {
	for _, m := range w.named(d) {
		if _, err := os.Stat(w.blobPath(place, m)); err == nil {
			list = append(list, m)
		}
	}
	return list
}

// children are the manifests that an index names.
func (w *world) children(place string, d digest.Digest) (list []digest.Digest) {
	for _, m := range w.named(d) {
		if _, err := os.Stat(w.manifestPath(place, m)); err == nil {
			list = append(list, m)
		}
	}
	return list
}

// named are the digests that a manifest names, each once.
func (w *world) named(d digest.Digest) (list []digest.Digest) {
	w.t.Helper()
	body, err := os.ReadFile(filepath.Join(w.mirror.Dir, "docker/registry/v2/blobs/sha256", d.Encoded()[:2], d.Encoded(), "data"))
	if err != nil {
		w.t.Fatal(err)
	}
	var m struct {
		Config            struct{ Digest digest.Digest }
		Layers, Manifests []struct{ Digest digest.Digest }
	}
	if err := json.Unmarshal(body, &m); err != nil {
		w.t.Fatal(err)
	}
	list = append(list, m.Config.Digest)
	for _, one := range slices.Concat(m.Layers, m.Manifests) {
		if !slices.Contains(list, one.Digest) {
			list = append(list, one.Digest)
		}
	}
	return slices.DeleteFunc(list, func(d digest.Digest) bool { return d == "" })
}

// without checks while something is away.
func (w *world) without(o check.Options, some []removal) (r *check.Report, err error) {
	w.t.Helper()
	for _, one := range some {
		for _, path := range one.paths {
			if err := os.Rename(path, path+".away"); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	r, err = w.run(o)
	for _, one := range some {
		for _, path := range one.paths {
			if err := os.Rename(path+".away", path); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return r, err
}

// found holds findings against what was taken away: each is named, and nothing else is.
func (w *world) found(intact, r *check.Report, some []removal) {
	w.t.Helper()
	digests := map[string]digest.Digest{}
	for _, img := range intact.Images {
		digests[img.Image] = img.Digest
	}
	for _, one := range some {
		if !slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
			return f.Image == one.image && f.Rule == one.rule && slices.Contains(one.kinds, f.Kind)
		}) {
			w.t.Errorf("%s of %s is away, and not found among %d", one.what, one.image, len(r.Findings))
		}
	}
	for _, f := range r.Findings {
		if f.Kind == check.ByTag || f.Kind == check.Tag && slices.ContainsFunc(some, func(one removal) bool { return strings.Contains(f.Wrong, one.of.String()) }) {
			continue
		}
		if !slices.ContainsFunc(some, func(one removal) bool {
			return one.rule == f.Rule && (one.of == digests[f.Image] || strings.Contains(f.Wrong, one.of.String())) // images share what is in one repository
		}) {
			w.t.Errorf("found, and nothing of it is away: %s: %s", f.Image, f.Wrong)
		}
	}
}

// TestRemoved takes manifests, images of one platform, blobs, signatures, tags, rules, the credential and
// the authorities away, each once and several at a time, and every one is found, with the image and the rule.
func TestRemoved(t *testing.T) {
	t.Parallel()
	var total atomic.Int64
	worlds, least := map[string]kind{"idms": {images: 4, api: manifests.MirrorIDMS}, "tls": {images: 1, secure: true}}, int64(110)
	if os.Getenv("SATCHEL_SOAK") != "" {
		worlds, least = map[string]kind{"icsp": {images: 9}, "idms": {images: 9, api: manifests.MirrorIDMS}, "tls": {images: 6, secure: true}}, 200
	}
	t.Run("all", func(t *testing.T) {
		for name, k := range worlds {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 211, k)
				total.Add(int64(w.removedContent() + w.removedRules() + w.removedSignatures()))
				if k.secure {
					total.Add(int64(w.removedAccess()))
				}
			})
		}
	})
	if n := total.Load(); n < least {
		t.Errorf("%d removals", n)
	}
}

// removedContent takes away what images are made of.
func (w *world) removedContent() (n int) {
	w.t.Helper()
	const at = 24 // once
	o := w.options()
	intact, err := w.run(o)
	if err != nil {
		w.t.Fatal(err)
	}
	all := w.removals(intact)
	rnd := rand.New(rand.NewPCG(1, 2))
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for len(all) > 0 {
		var some, rest []removal
		for _, one := range all {
			if len(some) < at && !slices.ContainsFunc(some, func(have removal) bool { return have.root == one.root || have.of == one.of }) {
				some = append(some, one)
			} else {
				rest = append(rest, one)
			}
		}
		all = rest
		n += len(some)
		r, err := w.without(o, some)
		if fails := (*check.FailsError)(nil); err != nil && !errors.As(err, &fails) {
			w.t.Fatal(err)
		}
		w.found(intact, r, some)
	}
	return n
}

// removedRules takes rules out of the files, some at a time.
func (w *world) removedRules() (n int) {
	w.t.Helper()
	const at = 5 // one in five
	for turn := range at {
		o, gone, i := w.options(), map[string]bool{}, 0 // by source: whether it is for pulls by digest
		o.Depth = check.Configs
		for k := range o.Handover.Rules {
			object := &o.Handover.Rules[k]
			left := object.Rules[:0:0]
			for _, r := range object.Rules {
				if i++; i%at != turn {
					left = append(left, r)
					continue
				}
				gone[r.Source] = gone[r.Source] || object.Digests()
				n++
			}
			object.Rules = left
		}
		r, err := w.run(o)
		if fails := (*check.FailsError)(nil); err != nil && !errors.As(err, &fails) {
			w.t.Fatal(err)
		}
		found := map[string]bool{}
		for _, f := range r.Findings {
			ref, err := oci.ParseRef(f.Image)
			switch digests, is := gone[ref.Name()]; {
			case f.Kind == check.RulesDiffer:
			case err == nil && is && (f.Kind == check.NoRule || !digests && f.Kind == check.ByTag):
				found[ref.Name()] = true
			case f.Kind != check.ByTag:
				w.t.Errorf("%s %s: %s, and its rule is there", f.Kind, f.Image, f.Wrong)
			}
		}
		for source := range gone {
			if !found[source] {
				w.t.Errorf("without the rule for %s nothing is found", source)
			}
		}
	}
	return n
}
