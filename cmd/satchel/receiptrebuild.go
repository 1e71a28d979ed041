package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// rebuild compares a bundle with the mirror and keeps what is there.
func (j *receiptJob) rebuild(ctx context.Context, args []string) error {
	r, graph, err := j.needed(ctx, args)
	if err != nil {
		return err
	}
	h, err := j.history(ctx)
	if err != nil {
		return err
	}
	j.info("comparing %s, %s and %s, with %s", text.Images(len(graph.Images), 0), text.Count(len(graph.Manifests), "manifest", "manifests"), text.Count(len(graph.Blobs), "blob", "blobs"), j.place)
	lacking, err := receipt.Rebuild(ctx, j.mirror, r, graph)
	if err != nil {
		return err
	}
	r.First = j.keeper.First(h)
	if err := h.End(r); err != nil {
		return err
	}
	for i, img := range lacking {
		if i < mostListed {
			j.warn("not in the mirror as it should be: %s", img.Source)
		}
	}
	if n := len(lacking) - mostListed; n > 0 {
		j.warn("and %s more", text.Count(n, "image", "images"))
	}
	if j.adopt {
		if err := j.adoptAll(ctx, r, h); err != nil {
			return err
		}
	}
	one, err := j.keep(ctx, r, h)
	if err != nil {
		return err
	}
	rep, err := j.report(ctx, h, one)
	if err == nil {
		err = j.print(receiptsReport{Mirror: j.place.String(), Receipts: []receiptReport{rep}})
	}
	if err == nil && len(lacking) > 0 {
		err = &receipt.MissingError{Images: lacking, All: len(graph.Images), Mirror: j.place.String()}
	}
	return err
}

// needed reads what a bundle needs, from itself or from a ledger.
func (j *receiptJob) needed(ctx context.Context, args []string) (*receipt.Receipt, *oci.Graph, error) {
	r := &receipt.Receipt{State: receipt.Done, Mirror: j.place, Time: time.Now()}
	if j.ledger != "" {
		graph, err := j.inLedger(r)
		return r, graph, err
	}
	want, ids, err := j.reader.parse(j.ui(ctx))
	if err != nil {
		return nil, nil, err
	}
	chosen, err := j.chooseToRead(ctx, args, wanted{want.Expect, j.reader.bundle, want.Trust})
	if err != nil {
		return nil, nil, err
	}
	b, err := j.openChoice(chosen, func(dirs []string) (*bundle.Reader, error) { return j.openBundle(ctx, dirs, want, ids) })
	if err != nil {
		return nil, nil, err
	}
	j.saySigned(b)
	r.Bundle, r.Fingerprint, r.Packed, r.Partial = b.ID(), string(b.Packed()), b.Created(), b.Partial()
	if s := b.Stream(); s != (bundle.Stream{}) {
		r.Stream, r.Sequence = receipt.Stream(s), b.Sequence()
	}
	r.Supplement = unpack.SupplementOf(b)
	src := unpack.Source(b, j.client, j.place)
	graph, err := oci.ReadGraph(ctx, b.Inventory().Images, func(oci.Image) (oci.Source, error) { return src, nil }, 4)
	return r, graph, errors.Join(err, b.Close())
}

// inLedger finds what a bundle needs in a ledger of this host.
func (j *receiptJob) inLedger(r *receipt.Receipt) (*oci.Graph, error) {
	state, err := xdg("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return nil, usage(fmt.Errorf("find the directory of the ledgers: %w", err), "set HOME or XDG_STATE_HOME")
	}
	l, err := ledger.Read(state, j.ledger)
	if err != nil {
		return nil, err
	}
	if l == nil {
		return nil, usage(fmt.Errorf("this host has no ledger of a stream %q", j.ledger), "satchel confirm lists the streams of this host")
	}
	b := l.Arrived()
	if j.reader.bundle != "" {
		i := slices.IndexFunc(l.Bundles, func(b ledger.Bundle) bool { return b.Bundle == j.reader.bundle })
		if i < 0 {
			return nil, usage(fmt.Errorf("the ledger of stream %q has no bundle %s", j.ledger, j.reader.bundle), "satchel confirm lists the bundles of this host")
		}
		b = &l.Bundles[i]
	}
	if b == nil {
		return nil, usage(fmt.Errorf("no bundle of stream %q is known to have arrived", j.ledger), "name the bundle with --bundle ID, or note that it arrived with satchel confirm")
	}
	content, err := ledger.At(state, j.ledger).Content(*b)
	if err != nil {
		return nil, err
	}
	r.Bundle, r.Fingerprint, r.Sequence, r.Partial, r.Stream = b.Bundle, string(b.Fingerprint), b.Sequence, b.Partial, receipt.Stream(l.Stream())
	nodes := func(list []ledger.Needed) (out []oci.Node) {
		for _, n := range list {
			out = append(out, oci.Node{Descriptor: n.Descriptor, Images: n.Images})
		}
		return out
	}
	return &oci.Graph{Images: content.Images, Manifests: nodes(content.Manifests), Blobs: nodes(content.Blobs)}, nil
}

// notAdoptedError says that nothing was adopted, because nobody agreed.
type notAdoptedError struct{ asked bool }

func (e *notAdoptedError) Error() string {
	if e.asked {
		return "nothing was adopted"
	}
	return "nothing was adopted: there is no terminal to ask on"
}

// Hint says what to do now.
func (e *notAdoptedError) Hint() string {
	if e.asked {
		return ""
	}
	return "look at the list; to agree without being asked, add --yes"
}

// adoptAll lists what would become satchel's, and asks.
func (j *receiptJob) adoptAll(ctx context.Context, r *receipt.Receipt, h *receipt.History) error {
	kept, err := h.LoadSure()
	if err != nil {
		return err
	}
	rows, manifests, tags := adopting(r, receipt.Merge(kept...))
	if manifests+tags == 0 {
		j.info("all of it is satchel's already")
		r.Adopt()
		return nil
	}
	v := j.view(j.wide)
	if err := v.print(j.stderr, func(w io.Writer) error { return v.table(w, "", rows) }); err != nil {
		return err
	}
	j.warn("%s and %s that somebody else pushed would become satchel's: prune may remove them once no bundle needs them", text.Count(manifests, "manifest", "manifests"), text.Count(tags, "tag", "tags"))
	if !j.yes {
		agreed, err := j.ui(ctx).Confirm("Adopt them?", "yes", "no")
		switch {
		case errors.Is(err, bundle.ErrNoTerminal):
			return &notAdoptedError{}
		case err != nil:
			return err
		case !agreed:
			return &notAdoptedError{asked: true}
		}
	}
	r.Adopt()
	return nil
}

// adopting is a table of the repositories with manifests or tags that are not satchel's by
// what is known, and how many these are.
func adopting(r *receipt.Receipt, known *receipt.Facts) (rows [][]string, manifests, tags int) {
	type sum struct {
		manifests, tags int
		size            int64
	}
	in := map[string]*sum{}
	for _, repo := range r.Repositories {
		in[repo.Name] = &sum{}
	}
	for _, m := range r.Manifests {
		if !slices.Contains(known.Manifest(m.Digest), receipt.Place{Repo: m.Repo, Mark: receipt.Pushed}) {
			in[m.Repo].manifests++
			in[m.Repo].size += m.Size
			manifests++
		}
	}
	for _, img := range r.Images {
		for _, tag := range img.Tags {
			if fact, _ := known.Tag(img.Repo, tag.Name); fact.Mark != receipt.Pushed || fact.Digest != img.Digest {
				in[img.Repo].tags++
				tags++
			}
		}
	}
	for _, b := range r.Blobs {
		for _, p := range b.In {
			in[p.Repo].size += b.Size
		}
	}
	rows = [][]string{{"REPOSITORY", "MANIFESTS", "TAGS", "SIZE"}}
	for _, repo := range r.Repositories {
		if s := in[repo.Name]; s.manifests+s.tags > 0 {
			rows = append(rows, []string{repo.Name, strconv.Itoa(s.manifests), strconv.Itoa(s.tags), bundle.FormatSize(s.size)})
		}
	}
	return rows, manifests, tags
}

// keep keeps a rebuilt receipt. Of one with the same facts it adds what is not there yet: a
// signature, or all of it in the mirror.
func (j *receiptJob) keep(ctx context.Context, r *receipt.Receipt, h *receipt.History) (*receipt.Kept, error) {
	var err error
	if j.keeper.Signers, err = j.sign.load(ctx, j.app, j.ui(ctx)); err != nil {
		return nil, err
	}
	one := j.same(r, h)
	if one == nil {
		if one, err = j.keeper.Seal(ctx, r); err == nil {
			err = j.keeper.ToHost(one)
		}
		if err == nil {
			j.keeper.DropIntents(one)
		}
	} else {
		var more bool
		if more, err = j.keeper.Sign(ctx, one); err == nil && more {
			err = j.keeper.ToHost(one)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := j.writeFiles([]*receipt.Kept{one}); err != nil {
		return nil, err
	}
	if j.notInMirror || one.Tag != "" {
		return one, nil
	}
	return one, j.keeper.ToMirror(ctx, h, one)
}

// same is the newest receipt of the same bundle, or the newest that somebody confirmed, if it has
// the same facts, wherever it has them from; else nil.
func (j *receiptJob) same(r *receipt.Receipt, h *receipt.History) *receipt.Kept {
	all := h.Of(r.Bundle)
	if len(all) == 0 || len(r.Closes) > 0 {
		return nil
	}
	last := all[:1]
	if i := slices.IndexFunc(all, (*receipt.Kept).Trusted); i > 0 {
		last = append(slices.Clone(last), all[i])
	}
	for _, one := range last {
		if !one.Trusted() && r.From == receipt.Adopted { // the word of who agreed is what counts
			continue
		}
		have, err := one.Load()
		if err != nil {
			continue
		}
		as := *r
		if as.From = have.From; have.SameFacts(&as) {
			return one
		}
	}
	return nil
}
