package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// TestAddingToDamaged: damage that was there before is found before the first change, and nothing is
// added. Of parity alone it is named, what is added is added once, and is not blamed for it.
func TestAddingToDamaged(t *testing.T) {
	t.Parallel()
	s, b, by := newSealed(t, false), newPerson(t, false), newSigner(t, 1)
	s.protect(t, "1/3")
	for name, parity := range map[string]bool{
		"copy/" + seal.IndexName: false, "copy/" + seal.BundleName: false, "copy/" + seal.KeyName(1): false, "copy/" + seal.DriveName: false, "copy/" + seal.ParityName: false,
		seal.ParityName: true, "p-001-01.par": true,
	} {
		dir := copyDir(t, s.drive)
		path := filepath.Join(dir, name)
		spoil := flipByte
		if seal.IsParityFile(name) {
			spoil = os.Remove
		}
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		before := files(t, dir)
		for n := range 2 {
			rekeyed, rerr := Rekey(t.Context(), []string{dir}, Wanted{}, append(b.by, s.identity...), b.to)
			signed, serr := Sign(t.Context(), dir, Wanted{}, []*Signer{by.Signer}, "")
			if !parity {
				for _, err := range []error{rerr, serr} {
					if not, ok := errors.AsType[*RefusedDamageError](err); !ok || !isDamage(not.Err) {
						t.Errorf("%s is damaged: %v", name, err)
					}
				}
				same(t, dir, before)
				break
			}
			if err := errors.Join(rerr, serr); err != nil {
				t.Fatalf("%s is damaged, run %d: %v", name, n+1, err)
			}
			if !isDamage(rekeyed.Damage) || !isDamage(signed.Damage) || len(rekeyed.Files)+n != 1 || len(signed.Added)+n != 1 {
				t.Errorf("%s is damaged, run %d: %+v, %+v", name, n+1, rekeyed, signed)
			}
		}
	}
}
