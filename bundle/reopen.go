package bundle

import (
	"errors"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
)

// Reopen opens the same bundle anew by its path, as after its drive was away: what r has
// open leads nowhere then. Nobody is asked for a key, and the seal must be the same one: another
// is a *[FingerprintError]. Other errors are those of [Open]. r stays as it is; it may be closed.
func (r *Reader) Reopen() (again *Reader, err error) {
	at, beside, err := locatePair(r.on.dirs())
	if err != nil {
		return nil, err
	}
	s, err := openLocated(at, Wanted{Expect: r.seals.finger})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.usable(); err != nil {
		return nil, err
	}
	other, err := r.other.reopen(beside, s, r.index)
	if err != nil {
		return nil, err
	}
	dec, err := frame.NewDecoder()
	if err != nil {
		return nil, errors.Join(err, other.close())
	}
	return newReader(s, r.key, r.index, dec, other), nil // the seal binds the index
}
