package bundle_test

import (
	"errors"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// reads opens the bundle and reads all that its inventory reaches.
func (v vector) reads(t *testing.T) error {
	t.Helper()
	r, err := bundle.Open(t.Context(), []string{v.dir}, v.want, v.keys)
	if err != nil {
		return err
	}
	err = readAll(t.Context(), r, map[string]bool{})
	return errors.Join(err, r.Close())
}

// verifies wants that Verify blames the file of the vector alone, or nothing where it names none.
func (v vector) verifies(t *testing.T) {
	t.Helper()
	_, err := bundle.Verify(t.Context(), []string{v.dir}, bundle.VerifyOptions{})
	if v.head["fault"] != "" {
		v.faulty(t, "Verify", err)
	} else if err != nil {
		t.Errorf("Verify: %v", err)
	}
}

// isBeside: the fault is found, and what is carried is whole: either it can be read, or
// the reader asks for a repair first.
func isBeside(t *testing.T, v vector) {
	v.verifies(t)
	if err := v.reads(t); err != nil && !errors.As(err, new(*bundle.DamageError)) {
		t.Errorf("Open: %v", err)
	}
}

// hasLineEnds: a copy wrote other line ends; that is said, and is no damage.
func hasLineEnds(t *testing.T, v vector) {
	var changed *bundle.CopyError
	_, err := bundle.Verify(t.Context(), []string{v.dir}, bundle.VerifyOptions{})
	if !errors.As(err, &changed) || len(changed.Faults) > 0 {
		t.Errorf("Verify: %v", err)
	}
}

// isClosed: no key opens it.
func isClosed(t *testing.T, v vector) {
	v.verifies(t)
	_, err := bundle.Open(t.Context(), []string{v.dir}, v.want, v.keys)
	if !errors.As(err, new(*bundle.DamageError)) && !errors.Is(err, bundle.ErrWrongKey) {
		t.Errorf("Open: %v", err)
	}
}

// isRefused: its packer made an index that no reader may use. The seals are right, so
// that nobody without a key can see it.
func isRefused(t *testing.T, v vector) {
	v.verifies(t)
	_, err := bundle.Open(t.Context(), []string{v.dir}, v.want, v.keys)
	var damage *bundle.DamageError
	if !errors.As(err, &damage) {
		t.Errorf("Open: %v", err)
	}
}

// isWrong: its packer sealed a segment that is not what the index says; reading finds it.
func isWrong(t *testing.T, v vector) {
	v.verifies(t)
	r, err := bundle.Open(t.Context(), []string{v.dir}, v.want, v.keys)
	if err != nil {
		t.Fatal(err)
	}
	var other *oci.DigestError
	if err := readAll(t.Context(), r, map[string]bool{}); !errors.As(err, new(*bundle.DamageError)) && !errors.As(err, &other) {
		t.Errorf("reading: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
