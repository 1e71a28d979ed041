package prepare

import (
	"context"
	"errors"
	"io"
	"slices"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/oci"
)

// CheckGaps finds out which images of a gap list can be carried now. A registry that has
// a blob may still refuse it, or give other bytes: so what only such images need is read,
// to its end. Images that are still gaps leave the set.
func (s *Set) CheckGaps(ctx context.Context, noted gaps.List) error {
	if len(noted.Images) == 0 {
		return nil
	}
	var errs []error
	for _, n := range s.Carried().Blobs {
		if !slices.ContainsFunc(n.Images, func(i int) bool { return !noted.Names(s.Graph.Images[i]) }) {
			err := readThrough(ctx, s.Source(n), n.Descriptor)
			switch {
			case err == nil:
			case Permanent(err):
				errs = append(errs, s.Lost(ctx, n, err))
			default:
				return s.Blame(n, err)
			}
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return s.Tolerate(ctx, errors.Join(errs...))
}

// readThrough reads and verifies a blob.
func readThrough(ctx context.Context, src oci.Source, d oci.Descriptor) error {
	rc, err := oci.Verified(src).Open(ctx, d, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, rc)
	return errors.Join(err, rc.Close())
}
