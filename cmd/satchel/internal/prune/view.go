package prune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// view is one repository of the mirror, as it was last looked at.
type view struct {
	o     *Options
	f     *facts
	ref   oci.Ref
	repo  string
	tags  map[string]digest.Digest
	named map[digest.Digest][]string // the same, the other way round
	nodes map[digest.Digest]*node

	looked time.Time // when all tags were asked for
	next   int       // where the next look at some of them begins

	asked, itself bool // whether the registry keeps the lists of referrers
}

// node is what a repository has under a digest.
type node struct {
	there     bool
	children  []digest.Digest // manifests
	subject   digest.Digest   // "" for none
	referrers []digest.Digest // where the registry keeps the list
}

func newView(o *Options, f *facts, repo string) *view {
	return &view{o: o, f: f, ref: oci.Ref{Registry: o.Place.Host, Repository: repo}, repo: repo, tags: map[string]digest.Digest{}, nodes: map[digest.Digest]*node{}}
}

// refresh looks at the repository: at its tags, see [view.look]; and at what has not been read yet
// of the manifests that they name, of the indexes that receipts know, of items, and of what these
// belong to.
func (v *view) refresh(ctx context.Context, items []*Item) error {
	if err := v.look(ctx); err != nil {
		return err
	}
	want := slices.Clone(v.f.indexes[v.repo])
	for _, d := range v.tags {
		if !v.f.images[d] {
			want = append(want, d)
		}
	}
	for _, item := range items {
		want = append(want, item.Digest)
		if s := v.f.subjects[thing{v.repo, item.Digest}]; s != "" {
			want = append(want, s)
		}
	}
	for tag := range v.tags {
		if s, _ := attachedBy(tag); s != "" {
			want = append(want, s)
		}
	}
	if err := v.load(ctx, want); err != nil {
		return err
	}
	want = nil
	for _, item := range items { // what it leaves behind, if that is there
		want = append(want, v.nodes[item.Digest].children...)
	}
	if err := v.load(ctx, slices.DeleteFunc(want, func(d digest.Digest) bool { return oci.CheckDigest(d) != nil })); err != nil {
		return err
	}
	if err := v.doubt(ctx, items); err != nil {
		return err
	}
	return v.askReferrers(ctx, items)
}

// load reads manifests that have not been read, and what they lead to: the indexes within
// indexes, and what something belongs to.
func (v *view) load(ctx context.Context, want []digest.Digest) error {
	for len(want) > 0 {
		slices.Sort(want)
		want = slices.DeleteFunc(slices.Compact(want), func(d digest.Digest) bool { return v.nodes[d] != nil })
		nodes, next := make([]*node, len(want)), make([][]digest.Digest, len(want))
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(v.o.Parallel)
		for i, d := range want {
			g.Go(func() (err error) {
				nodes[i], next[i], err = v.read(gctx, d)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		var more []digest.Digest
		for i, d := range want {
			v.nodes[d] = nodes[i]
			more = append(more, next[i]...)
		}
		want = more
	}
	return nil
}

// read reads one manifest; next is what it leads to.
func (v *view) read(ctx context.Context, d digest.Digest) (n *node, next []digest.Digest, err error) {
	_, body, err := v.o.Mirror.Manifest(ctx, v.ref.WithDigest(d))
	if err != nil || body == nil {
		return &node{}, nil, err
	}
	n = &node{there: true}
	var m struct {
		Manifests []oci.Descriptor
		Subject   *oci.Descriptor
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, nil, fmt.Errorf("check %s: it is not valid JSON: %w", v.ref.WithDigest(d), err)
	}
	for _, c := range m.Manifests {
		n.children = append(n.children, c.Digest)
		if !v.f.images[c.Digest] && (oci.IsIndex(c.MediaType) || !oci.IsManifest(c.MediaType)) {
			next = append(next, c.Digest)
		}
	}
	if m.Subject != nil {
		n.subject = m.Subject.Digest
		next = append(next, n.subject)
	}
	return n, slices.DeleteFunc(next, func(d digest.Digest) bool { return oci.CheckDigest(d) != nil }), nil
}

// askReferrers asks a registry that keeps them itself what refers to the items.
func (v *view) askReferrers(ctx context.Context, items []*Item) error {
	items = slices.DeleteFunc(slices.Clone(items), func(item *Item) bool { return !v.there(item.Digest) })
	if len(items) == 0 {
		return nil
	}
	if !v.asked {
		_, itself, err := v.o.Mirror.Referrers(ctx, v.ref.WithDigest(items[0].Digest))
		if err != nil {
			return err
		}
		v.asked, v.itself = true, itself
	}
	if !v.itself {
		return nil
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(v.o.Parallel)
	for _, item := range items {
		n := v.nodes[item.Digest]
		g.Go(func() error {
			list, _, err := v.o.Mirror.Referrers(gctx, v.ref.WithDigest(item.Digest))
			n.referrers = nil
			for _, r := range list {
				n.referrers = append(n.referrers, r.Digest)
			}
			return err
		})
	}
	return g.Wait()
}

// attached finds the subject in a tag that names what is attached to it: a list of referrers
// (OCI distribution-spec, "Referrers Tag Schema"), or, with an ending, a signature as cosign
// pushes it.
var attached = regexp.MustCompile(`^sha256-([0-9a-f]{64})(\.[a-z0-9]+)?$`)

// attachedBy is the subject that a tag names; list, whether the tag leads to the list of referrers.
func attachedBy(tag string) (subject digest.Digest, list bool) {
	m := attached.FindStringSubmatch(tag)
	if m == nil {
		return "", false
	}
	return digest.Digest("sha256:" + m[1]), m[2] == ""
}

// on lists the tags of a manifest, by name.
func (v *view) on(d digest.Digest) []string { return slices.Sorted(slices.Values(v.named[d])) }

// there reports whether the repository has a manifest, as far as it was looked at.
func (v *view) there(d digest.Digest) bool { return v.nodes[d] != nil && v.nodes[d].there }

// gone notes that a manifest is deleted, and with it its tags.
func (v *view) gone(d digest.Digest) {
	v.nodes[d].there = false
	for _, tag := range v.named[d] {
		delete(v.tags, tag)
	}
	delete(v.named, d)
}

// unjudged reports whether an error is an answer by which a repository cannot be judged: all of it
// stays then. Others end the run.
func unjudged(err error) bool {
	var answer *transport.RegistryError
	var endless *transport.EndlessError
	var odd *oci.UnsupportedError
	var doubt *doubtError
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &doubt), errors.As(err, &endless), errors.As(err, &odd), errors.As(err, &syntax), errors.As(err, &kind):
		return true
	case errors.As(err, &answer):
		return answer.Permanent() && !answer.Everywhere()
	}
	return false
}

// short is a digest for people.
func short(d digest.Digest) string {
	return text.Printable(string(d[:min(19, len(d))]))
}

// tagged names a manifest by one of its tags, else by its digest.
func (v *view) tagged(d digest.Digest) string {
	for _, tag := range v.on(d) {
		if !strings.HasPrefix(tag, "satchel-") {
			return tag
		}
	}
	return short(d)
}
