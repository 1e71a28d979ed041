package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Options say how bundles are served.
type Options struct {
	notice.To
	Place     oci.Mirror // the rule for places; its host does not matter
	Passwords *Passwords // who may read; nil: everybody
}

// places is how many blobs are read at a time. Each read holds two frames of at most 4 MiB, and
// each open segment one. Blobs that are not small have at most largePlaces of them: a client gives
// up a pull that does not move for 10 seconds, and every pull needs a small config too.
const (
	places      = 8
	largePlaces = 6
)

// mostLists is how many lists of referrers are in memory at a time; each has some MiB.
const mostLists = 8

// Registry is an http.Handler.
type Registry struct {
	Options
	shelf   shelf
	src     oci.Source // content of the shelf
	walks   *oci.Walks // of the bundle that is taken up now
	gate    *gate
	lists   chan struct{} // of referrers that are made at a time
	repos   map[string]*repository
	names   []string // of the repositories, sorted
	rep     Report
	counted map[string]bool              // roots that were taken up, by place and digest ("a/b@sha256:..."): whether the report counts them as served
	lacking map[string]map[string]tagged // by repository and tag: the newest that is left out
	grace   time.Duration                // for answers under way when the run ends
	body    time.Duration                // for the body of a request
	ended   chan struct{}                // is closed when the run ends

	busy           sync.WaitGroup // requests that are answered now
	requests, sent atomic.Int64
}

// Report is what is served.
type Report struct {
	Images       int // not counting what is attached to others, and what waits for a drive
	Attached     int
	Repositories int
	Example      oci.Ref   // of an image; its registry is empty
	LeftOut      []LeftOut // images that are not whole
	Waiting      []Waiting // images that drives are lacking for, when it begins
}

// LeftOut is an image that is not served because no given bundle has all of it.
type LeftOut struct {
	Image   oci.Image
	Content digest.Digest         // some of what it lacks
	Brought bundle.BaselineSource // the bundle that has it
}

// repository is what a client finds under one name.
type repository struct {
	manifests, blobs map[digest.Digest]oci.Descriptor
	tags             map[string]tagged
	sorted           []string                          // tags
	referrers        map[digest.Digest][]digest.Digest // by their subject, sorted
}

// tagged is what a tag names, and which bundle says so.
type tagged struct {
	digest digest.Digest
	by     *bundle.Reader
}

// contest is between two bundles that have a tag with different images.
type contest struct{ winner, loser string }

// Open reads the manifests of bundles. The registry closes the bundles, also where the error is
// not nil. Errors: a *[LackingError], or one of reading.
func Open(ctx context.Context, bundles []*bundle.Reader, o Options) (_ *Registry, err error) {
	g := &Registry{Options: o, gate: newGate(places, largePlaces), lists: make(chan struct{}, mostLists), grace: usualGrace, body: usualBody, ended: make(chan struct{}), repos: map[string]*repository{}, counted: map[string]bool{}, lacking: map[string]map[string]tagged{}}
	defer func() {
		if err != nil {
			g.Close()
		}
	}()
	for _, r := range bundles {
		g.shelf = append(g.shelf, newOpened(r, o.To))
	}
	g.src = g.shelf
	moved := map[contest][]string{}
	for _, r := range bundles {
		g.walks = &oci.Walks{}
		if err := o.Place.CheckCollisions(r.Inventory()); err != nil {
			return nil, err
		}
		for _, img := range r.Inventory().Images {
			if err := g.add(ctx, r, img, moved); err != nil {
				return nil, err
			}
		}
		g.warnGaps(r)
	}
	withdrawn := g.withdraw()
	if err := g.tellAway(ctx, bundles); err != nil {
		return nil, err
	}
	g.rep.Example = g.example(ctx, bundles)
	g.sort()
	g.tell(moved, withdrawn)
	if g.rep.Images+g.rep.Attached+len(g.rep.Waiting) == 0 && len(g.rep.LeftOut) > 0 {
		return nil, &LackingError{g.rep.LeftOut}
	}
	return g, nil
}

// Close closes the bundles.
func (g *Registry) Close() {
	for _, o := range g.shelf {
		o.close()
	}
}

// Report is what is served.
func (g *Registry) Report() Report { return g.rep }

// reached is what an image reaches.
type reached struct {
	manifests, blobs []oci.Descriptor
	subjects         map[digest.Digest]digest.Digest // of manifests that have one
	lacks            digest.Digest                   // "" for a whole image
}

// reach walks an image through all bundles.
func (g *Registry) reach(ctx context.Context, img oci.Image) (*reached, error) {
	w := &reached{subjects: map[digest.Digest]digest.Digest{}}
	err := g.walks.WalkImage(ctx, g.src, img, func(d oci.Descriptor, body []byte) error {
		d = oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
		if body == nil {
			switch there := g.shelf.has(d); {
			case there:
				w.blobs = append(w.blobs, d)
			case !oci.IsForeign(d.MediaType): // registries need not have those
				return &lackingError{d}
			}
			return nil
		}
		m, err := oci.ParseManifest(d, body)
		if err == nil && m.Subject != nil {
			w.subjects[d.Digest] = m.Subject.Digest
		}
		w.manifests = append(w.manifests, d)
		return err
	})
	if lacking, ok := errors.AsType[*lackingError](err); ok {
		w.lacks = lacking.Content.Digest
		return w, nil
	}
	return w, err
}

// add takes an image up if it is whole.
func (g *Registry) add(ctx context.Context, r *bundle.Reader, img oci.Image, moved map[contest][]string) error {
	w, err := g.reach(ctx, img)
	if err != nil {
		return blamed(r, err)
	}
	place := g.Place.Repo(img).Repository
	if w.lacks != "" {
		for _, tag := range img.MirrorTags() {
			g.noteLacking(place, tag, tagged{img.Root.Digest, r})
		}
		return g.leaveOut(r, img, w.lacks)
	}
	repo := g.repos[place]
	if repo == nil {
		repo = &repository{manifests: map[digest.Digest]oci.Descriptor{}, blobs: map[digest.Digest]oci.Descriptor{}, tags: map[string]tagged{}, referrers: map[digest.Digest][]digest.Digest{}}
		g.repos[place] = repo
	}
	if repo.take(w, img.Root.Digest) {
		g.counted[place+"@"+img.Root.Digest.String()] = true
		if img.Subject != "" {
			g.rep.Attached++
		} else {
			g.rep.Images++
		}
	}
	for _, tag := range img.MirrorTags() {
		old, is := repo.tags[tag]
		switch {
		case is && old.digest == img.Root.Digest:
			continue
		case is && !newer(r, old.by):
			key := contest{named(old.by), named(r)}
			moved[key] = append(moved[key], place+":"+tag)
			continue
		case is:
			key := contest{named(r), named(old.by)}
			moved[key] = append(moved[key], place+":"+tag)
		}
		repo.tags[tag] = tagged{img.Root.Digest, r}
	}
	return nil
}

// take takes up what an image reaches, and reports whether its root is new.
func (r *repository) take(w *reached, root digest.Digest) bool {
	_, there := r.manifests[root]
	for _, d := range w.manifests {
		if _, again := r.manifests[d.Digest]; again {
			continue
		}
		r.manifests[d.Digest] = d
		if subject, is := w.subjects[d.Digest]; is {
			r.referrers[subject] = append(r.referrers[subject], d.Digest)
		}
	}
	for _, d := range w.blobs {
		r.blobs[d.Digest] = d
	}
	return !there
}

// example is the first image that a person would pull: one for itself that runs, by a tag of its own
// that is served; else the first one, by its digest.
func (g *Registry) example(ctx context.Context, bundles []*bundle.Reader) (first oci.Ref) {
	for _, r := range bundles {
		away := slices.ContainsFunc(r.Drives(), func(d bundle.Drive) bool { return d.Dir == "" })
		for _, img := range r.Inventory().Images {
			if away && !g.here(ctx, img) {
				continue
			}
			place, root := g.Place.Repo(img).Repository, img.Root.Digest
			repo := g.repos[place]
			if repo == nil {
				continue
			}
			if _, whole := repo.manifests[root]; !whole {
				continue
			}
			tag := slices.IndexFunc(img.Tags, func(tag string) bool { return repo.tags[tag].digest == root })
			if tag >= 0 && img.Subject == "" && len(img.Platforms) > 0 {
				return oci.Ref{Repository: place, Tag: img.Tags[tag]}
			}
			if first.Repository == "" {
				first = oci.Ref{Repository: place, Digest: root}
			}
		}
	}
	return first
}

// leaveOut notes that an image is not whole. Only what a baseline brought may be missing.
func (g *Registry) leaveOut(r *bundle.Reader, img oci.Image, lacks digest.Digest) error {
	for _, o := range g.shelf {
		if _, from, ok := o.bundle.Baseline().Find(lacks); ok {
			g.rep.LeftOut = append(g.rep.LeftOut, LeftOut{img, lacks, from})
			return nil
		}
	}
	return &bundle.DamageError{Dir: r.Dir(), Faults: []bundle.Fault{{File: lacks.String(), What: "is needed and not in it"}}}
}

// noteLacking notes what a tag would name if its image were whole.
func (g *Registry) noteLacking(place, tag string, t tagged) {
	if g.lacking[place] == nil {
		g.lacking[place] = map[string]tagged{}
	}
	if old, is := g.lacking[place][tag]; !is || newer(t.by, old.by) {
		g.lacking[place][tag] = t
	}
}

// withdraw takes back tags whose newest image is left out: to give an older one would be a lie.
func (g *Registry) withdraw() (tags []string) {
	for place, list := range g.lacking {
		repo := g.repos[place]
		if repo == nil {
			continue
		}
		for tag, t := range list {
			if is, there := repo.tags[tag]; there && is.digest != t.digest && newer(t.by, is.by) {
				delete(repo.tags, tag)
				tags = append(tags, place+":"+tag)
			}
		}
	}
	slices.Sort(tags)
	return tags
}

// newer reports whether the tags of a are later than those of b.
func newer(a, b *bundle.Reader) bool {
	if s := a.Stream(); s == b.Stream() && s != (bundle.Stream{}) {
		return a.Sequence() > b.Sequence()
	}
	return a.Created().After(b.Created())
}

// named says which bundle it is.
func named(r *bundle.Reader) string {
	if s := r.Stream(); s != (bundle.Stream{}) {
		return fmt.Sprintf("bundle %d of the stream %s (%s)", r.Sequence(), s.Name, r.ID())
	}
	return fmt.Sprintf("bundle %s of %s", r.ID(), text.Minute(r.Created()))
}

// blamed makes damage of what can only come from a bundle that is not as it was packed.
func blamed(r *bundle.Reader, err error) error {
	_, wrong := errors.AsType[*oci.DigestError](err)
	_, odd := errors.AsType[*oci.UnsupportedError](err)
	if wrong || odd {
		return &bundle.DamageError{Dir: r.Dir(), Faults: []bundle.Fault{{File: "its content", What: "is not what the format allows"}}, Err: err}
	}
	if limit, ok := errors.AsType[*oci.LimitError](err); ok {
		return fmt.Errorf("read the bundle in %s: %w", r.Dir(), limit)
	}
	return err
}

// sort puts names and tags into the order in which they are listed.
func (g *Registry) sort() {
	for name, repo := range g.repos {
		g.names = append(g.names, name)
		for tag := range repo.tags {
			repo.sorted = append(repo.sorted, tag)
		}
		slices.SortFunc(repo.sorted, lexical)
		for _, list := range repo.referrers {
			slices.Sort(list)
		}
	}
	slices.SortFunc(g.names, lexical)
	g.rep.Repositories = len(g.names)
}

// lexical is the order that the specification asks for: letters before their case.
func lexical(a, b string) int {
	return cmp.Or(strings.Compare(strings.ToLower(a), strings.ToLower(b)), strings.Compare(a, b))
}
