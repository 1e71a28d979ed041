package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// formatFacts is part of the key under which the facts of a payload are stored.
const formatFacts = "payload-facts/1"

// facts reads what a release says to those who update, or what was stored of it. A release of
// which that is refused for good is carried without: it says so, and the cluster says it too.
func (r *release) facts(ctx context.Context, root oci.Descriptor, from ask.Images) ([]documents.PayloadFacts, error) {
	version, err := semver.Parse(r.Version)
	if err != nil {
		return nil, err // it was read by this
	}
	one := documents.PayloadFacts{Payload: root.Digest, Architecture: releaseArch(r.arch), Version: version}
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
