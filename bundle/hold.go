package bundle

import (
	"errors"
	"io/fs"

	"github.com/satchel-airgap/satchel/bundle/internal/journal"
)

// Hold keeps other runs of this host away from a finished bundle: none resumes, deletes or
// rekeys it until Close.
type Hold struct {
	jnl *journal.Journal // nil where this host has none of it
}

// HoldBundle holds the bundle that stands in dir, if it has a journal below state. Whatever
// was known of it before may be different now. command is what other runs are told. The
// error is a *[RefusedError] if another run has it.
func HoldBundle(dir, state, command string) (*Hold, error) {
	p, err := look(dir)
	if err != nil {
		return nil, err
	}
	if p == nil || p.id == "" {
		return &Hold{}, nil
	}
	path := journalPath(state, p.id)
	jnl, _, err := journal.Open(path)
	switch {
	case errors.Is(err, journal.ErrLocked):
		return nil, busy(p.dir, path, false)
	case errors.Is(err, fs.ErrNotExist):
		return &Hold{}, nil
	case err != nil:
		return nil, err
	}
	_ = jnl.Append(self(command, p.dir)) // the lock counts; without this, others only do not learn whose it is
	return &Hold{jnl}, nil
}

// Hold ends the writing of a sealed bundle and goes on to keep other runs away from it, for
// as long as it is read back. The writer is closed, also after an error.
func (w *Writer) Hold() (*Hold, error) {
	if err := w.closeDrive(); err != nil {
		return nil, errors.Join(err, w.jnl.Close())
	}
	return &Hold{w.jnl}, nil
}

// MarkReleased notes that the bundle is not to be read back: a run without verification
// has come to its end.
func (h *Hold) MarkReleased() error {
	return h.mark(journal.Record{Released: &journal.Released{}})
}

// MarkVerified notes that the bundle was read back, so that a later run of the same job
// need not.
func (h *Hold) MarkVerified(fp Fingerprint) error {
	return h.mark(journal.Record{Verified: &journal.Verified{Fingerprint: string(fp)}})
}

func (h *Hold) mark(r journal.Record) error {
	if h.jnl == nil {
		return nil
	}
	return h.jnl.Append(r)
}

// Close lets other runs have the bundle.
func (h *Hold) Close() error {
	if h == nil || h.jnl == nil {
		return nil
	}
	return h.jnl.Close()
}

// again looks at a bundle anew, once its lock was taken or seen to be free: the run that had
// it may have finished or deleted it meanwhile. It gives nil if the bundle is not there now.
func (p location) again() (*location, error) {
	now, err := look(p.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case now == nil && p.adopted, now != nil && now.id == "" && p.id != "":
		return &p, nil // the journal knows what drive.json does not say
	case now != nil && now.id != p.id && p.id != "":
		return nil, nil
	}
	return now, nil
}
