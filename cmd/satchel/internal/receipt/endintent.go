package receipt

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

var beginning = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{12,64}$`) })

// IsNamed reports whether people mean a receipt or intent: by its bundle, by its tag in the mirror,
// or by its SHA-256, of which 12 digits are enough.
func (k *Kept) IsNamed(name string) bool {
	hex := strings.TrimPrefix(name, digest.SHA256.String()+":")
	return name == k.Head.Bundle || name == k.Tag || k.Head.State == Intent && name == intentTag(k.Head.Bundle, k.Digest) ||
		beginning().MatchString(hex) && strings.HasPrefix(k.Digest.Encoded(), hex)
}

// Ended is what became of intents.
type Ended struct {
	Receipt *Receipt // that ends them
	Pushed  int      // manifests that they were about to push
	There   int      // of these
}

// EndOpen makes the receipt that ends open intents of one bundle in one mirror, for a bundle that
// will not be unpacked again. Everything that they name is asked for. What is not there is left
// out, and so are blobs that no manifest which is there names: these alone have whole digests.
// What is there, and they mark as pushed, is pushed. As with [History.End] a claim is not enough
// for that.
func (k *Keeper) EndOpen(ctx context.Context, client *transport.Client, h *History, open []*Kept) (e Ended, err error) {
	named, pushed, due := &Receipt{}, Pushes{}, map[manifestKey]bool{}
	for i, one := range open {
		intent, err := one.Load()
		if err != nil {
			return e, err
		}
		for _, m := range intent.Manifests {
			if m.Mark == Pushed {
				due[manifestKey{m.Repo, m.Digest}] = true
			}
		}
		sure, err := h.Sure(one)
		if err != nil {
			return e, err
		}
		pushed.Add(sure)
		if i == 0 {
			head := one.Head
			named = &head
			named.State, named.From, named.Time, named.Claims = Done, Rebuilt, time.Now(), nil
		}
		named.unite(intent)
		named.Closes = append(named.Closes, one.Digest)
	}
	there := looking{m: k.Mirror, r: named, host: k.Repo.Registry, tags: map[Tagged]digest.Digest{}}
	if err := there.look(ctx, client); err != nil {
		return e, err
	}
	e.Receipt, e.Pushed = there.rest(), len(due)
	for _, m := range e.Receipt.Manifests {
		if due[manifestKey{m.Repo, m.Digest}] {
			e.There++
		}
	}
	e.Receipt.promote(pushed)
	return e, nil
}

// unite adds what another receipt names, all of it as found.
func (r *Receipt) unite(o *Receipt) {
	r.Repositories = Merge(&Receipt{State: Done, Repositories: r.Repositories}, &Receipt{State: Done, Repositories: o.Repositories}).Repositories()
	manifests, images, blobs := map[manifestKey]bool{}, map[manifestKey]int{}, map[Short]int{}
	for _, m := range r.Manifests {
		manifests[manifestKey{m.Repo, m.Digest}] = true
	}
	for i, img := range r.Images {
		images[manifestKey{img.Repo, img.Digest}] = i
	}
	for i, b := range r.Blobs {
		blobs[b.Short] = i
	}
	for _, m := range o.Manifests {
		if m.Mark = Found; !manifests[manifestKey{m.Repo, m.Digest}] {
			r.Manifests = append(r.Manifests, m)
		}
	}
	for _, img := range o.Images {
		i, known := images[manifestKey{img.Repo, img.Digest}]
		if !known {
			i = len(r.Images)
			r.Images = append(r.Images, Image{Repo: img.Repo, Digest: img.Digest, Subject: img.Subject})
		}
		r.Images[i].unite(img)
	}
	for _, b := range o.Blobs {
		i, known := blobs[b.Short]
		if !known {
			i = len(r.Blobs)
			r.Blobs = append(r.Blobs, Blob{Short: b.Short, Size: b.Size})
		}
		to := &r.Blobs[i]
		for _, p := range b.In {
			if !slices.ContainsFunc(to.In, func(h Place) bool { return h.Repo == p.Repo }) {
				to.In = append(to.In, Place{Repo: p.Repo})
			}
		}
	}
}

func (i *Image) unite(o Image) {
	for _, origin := range o.Origins {
		i.Origins = with(i.Origins, origin)
	}
	for _, tag := range o.Tags {
		if !slices.ContainsFunc(i.Tags, func(h Tag) bool { return h.Name == tag.Name }) {
			i.Tags = append(i.Tags, Tag{Name: tag.Name})
		}
	}
}

// looking asks a mirror for what a receipt names.
type looking struct {
	m      *transport.Mirror
	r      *Receipt
	host   string
	whole  map[Short]digest.Digest
	absent *transport.Absent
	tags   map[Tagged]digest.Digest
}

func (l *looking) look(ctx context.Context, client *transport.Client) (err error) {
	if l.whole, err = l.r.Digests(ctx, client); err != nil {
		return err
	}
	want := map[oci.Ref][]oci.Descriptor{}
	add := func(repo string, d oci.Descriptor) {
		ref := oci.Ref{Registry: l.host, Repository: repo}
		want[ref] = append(want[ref], d)
	}
	for _, m := range l.r.Manifests {
		add(m.Repo, oci.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size})
	}
	for _, b := range l.r.Blobs {
		for _, p := range b.In {
			if d := l.whole[b.Short]; d != "" { // else no manifest that is there names it
				add(p.Repo, oci.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: b.Size})
			}
		}
	}
	if l.absent, err = l.m.AbsentIn(ctx, want); err != nil {
		return err
	}
	var names []Tagged
	for _, img := range l.r.Images {
		for _, tag := range img.Tags {
			names = append(names, Tagged{img.Repo, tag.Name})
		}
	}
	named := make([]digest.Digest, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(fetchers)
	for i, name := range names {
		g.Go(func() (err error) {
			named[i], err = l.m.TagDigest(gctx, oci.Ref{Registry: l.host, Repository: name.Repo, Tag: name.Tag})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, name := range names {
		l.tags[name] = named[i]
	}
	return nil
}

// rest is what of the receipt is there.
func (l *looking) rest() *Receipt {
	r := *l.r
	r.Manifests = slices.DeleteFunc(r.Manifests, func(m Manifest) bool { return l.absent.Manifest(m.Repo, m.Digest) })
	r.Images = slices.DeleteFunc(r.Images, func(i Image) bool { return l.absent.Manifest(i.Repo, i.Digest) })
	for i, img := range r.Images {
		r.Images[i].Tags = slices.DeleteFunc(img.Tags, func(t Tag) bool { return l.tags[Tagged{img.Repo, t.Name}] != img.Digest })
	}
	for i, b := range r.Blobs {
		d := l.whole[b.Short]
		r.Blobs[i].In = slices.DeleteFunc(b.In, func(p Place) bool { return d == "" || l.absent.Blob(p.Repo, d) })
	}
	r.Blobs = slices.DeleteFunc(r.Blobs, func(b Blob) bool { return len(b.In) == 0 })
	used := map[string]bool{}
	for _, m := range r.Manifests {
		used[m.Repo] = true
	}
	for _, b := range r.Blobs {
		for _, p := range b.In {
			used[p.Repo] = true
		}
	}
	r.Repositories = slices.DeleteFunc(r.Repositories, func(repo Repository) bool { return !used[repo.Name] })
	r.Sort()
	return &r
}
