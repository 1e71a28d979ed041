package bundle

import (
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/index"
)

// Baseline is what a bundle does not carry although its images need it: the mirror has it
// already. It knows of each digest the repository, a path below the mirror's namespace, and
// the bundle that brought it.
type Baseline = index.Baseline

// BaselineSource is a bundle that brought content of a baseline.
type BaselineSource = index.Source

// Baseline is what the bundle does not carry of what its images need, nil if it carries all.
func (r *Reader) Baseline() *Baseline { return r.index.Baseline }

// Baseline is what the bundle was begun without, nil if it is to carry all that it needs.
func (w *Writer) Baseline() *Baseline { return w.begin.Baseline }

// twice refuses what readers would refuse.
func twice(d digest.Digest) error {
	return fmt.Errorf("%s is in the baseline: the bundle does not carry it too", d)
}

func (w *Writer) inBaseline(d digest.Digest) bool {
	_, _, ok := w.begin.Baseline.Find(d)
	return ok
}
