package bundle

import (
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Baseline is what a bundle does not carry although its images need it: the mirror has it
// already. It knows of each digest the repository, a path below the mirror's namespace, and
// the bundle that brought it.
type Baseline = index.Baseline

// BaselineSource is a bundle that brought content of a baseline.
type BaselineSource = index.Source

// Baseline is what the bundle does not carry of what its images need, nil if it carries all.
func (r *Reader) Baseline() *Baseline { return r.index.Baseline }

// CarriesAll is nil if the bundle carries all that its images need; else it is the *[NeedsError]
// of a reader that has no mirror to take the rest from.
func (r *Reader) CarriesAll() error {
	if r.index.Baseline.Len() == 0 {
		return nil
	}
	return asNeeds(r.Dir(), &seal.NeedsError{Features: []string{seal.Baseline}, PackedBy: r.seals.bundle.PackedBy})
}

// Baseline is what the bundle was begun without, nil if it is to carry all that it needs.
func (w *Writer) Baseline() *Baseline { return w.begin.Baseline }

func (w *Writer) inBaseline(d digest.Digest) bool {
	_, _, ok := w.begin.Baseline.Find(d)
	return ok
}
