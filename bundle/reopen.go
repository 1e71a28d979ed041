package bundle

import (
	"errors"

	"github.com/satchel-airgap/satchel/bundle/internal/frame"
)

// Reopen opens the same bundle anew by its path, as after its drive was away: what r has
// open leads nowhere then. Nobody is asked for a key, and the seal must be the same one: another
// is a *[FingerprintError]. Other errors are those of [Open]. r stays as it is; it may be closed.
func (r *Reader) Reopen() (again *Reader, err error) {
	s, err := openSeals([]string{r.Dir()}, Wanted{Expect: r.Fingerprint()})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.dir.Close())
		}
	}()
	if err := s.usable(); err != nil {
		return nil, err
	}
	dec, err := frame.NewDecoder()
	if err != nil {
		return nil, err
	}
	again = &Reader{dir: s.dir, seals: s, key: r.key, index: r.index, dec: dec} // the seal binds the index
	again.cache = newSegments(again)
	return again, nil
}
