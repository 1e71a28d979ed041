package release

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// formatFacts is part of the key under which the facts of a payload are stored.
const formatFacts = "payload-facts/2"

// facts reads what a release says to those who update, or what was stored of it. A release of
// which that is refused for good is carried without: it says so, and the cluster says it too.
func (r *release) facts(ctx context.Context, root oci.Descriptor, from ask.Images) ([]documents.PayloadFacts, error) {
	version, err := semver.Parse(r.Version)
	if err != nil {
		return nil, err // it was read by this
	}
	one := documents.PayloadFacts{Payload: root.Digest, Architecture: releaseArch(r.arch), Version: version}
	if one.Last, err = lastChild(ctx, r.src, root); err != nil {
		return nil, err
	}
	err = r.readFacts(ctx, from, &one.Facts)
	var final interface{ Permanent() bool }
	if err != nil && ctx.Err() == nil && errors.As(err, &final) && final.Permanent() {
		from.Note(text.ASCII(fmt.Sprintf("release %s: what it says of updates is not read: %v", r.ref, err)))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []documents.PayloadFacts{one}, nil
}

func (r *release) readFacts(ctx context.Context, from ask.Images, facts *payload.Facts) (err error) {
	rc, err := from.Derived(ctx, formatFacts+" "+r.image.Digest.String(), func(w io.Writer) error {
		f, err := payload.Manifests(ctx, r.src, r.image)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(f)
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	if err := json.NewDecoder(rc).Decode(facts); err != nil {
		return fmt.Errorf("read the facts of payload %s as stored: %w", r.image.Digest, err)
	}
	return nil
}

// updates notes of releases which updates lead to them by the graphs.
func (gs *graphs) updates(list []documents.PayloadFacts) {
	for i := range list {
		one := &list[i]
		seen := map[string]int{}
		for _, q := range slices.SortedFunc(maps.Keys(gs.got), func(a, b graphQuery) int { return cmp.Compare(a.file(), b.file()) }) {
			if releaseArch(q.arch) != one.Architecture {
				continue
			}
			for _, hop := range gs.got[q].Into(one.Version) {
				u := documents.Update{From: hop.From}
				for _, r := range hop.Risks {
					u.Risks = append(u.Risks, documents.Risk(r))
				}
				at, again := seen[hop.From.String()]
				switch {
				case !again:
					seen[hop.From.String()] = len(one.Updates)
					one.Updates = append(one.Updates, u)
				case len(u.Risks) == 0: // one channel has it without
					one.Updates[at].Risks = nil
				}
			}
		}
		slices.SortFunc(one.Updates, func(a, b documents.Update) int { return a.From.Compare(b.From) })
	}
}

// lastChild is the last manifest that an index names; none for an image.
func lastChild(ctx context.Context, src oci.Source, root oci.Descriptor) (digest.Digest, error) {
	if !oci.IsIndex(root.MediaType) {
		return "", nil
	}
	children, err := oci.ReadChildren(ctx, src, root)
	if err != nil || len(children) == 0 {
		return "", err
	}
	return children[len(children)-1].Digest, nil
}
