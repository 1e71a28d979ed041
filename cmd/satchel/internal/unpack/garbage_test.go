package unpack_test

import (
	"bytes"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
)

// TestGarbageSignatures: what is no signature replaces none, however many there are.
func TestGarbageSignatures(t *testing.T) {
	t.Parallel()
	s := newSite(t, 951)
	keys, _ := twoSigners(t)
	o := s.options(t, "")
	o.State, o.Receipts.Signers = t.TempDir(), []*bundle.Signer{keys[0]}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	one := receiptsOf(t, o, o.State, jobtest.Client()).Done[0]
	body, err := one.Body()
	if err != nil {
		t.Fatal(err)
	}
	mine := one.Signatures()
	put(t, o, s.reader.ID()+".2", body, [][]byte{[]byte("x"), []byte("y"), mine[0], mine[0]})
	got := receiptsOf(t, o, o.State, jobtest.Client()).Done[0]
	if list := got.Signatures(); len(list) != 1 || !bytes.Equal(list[0], mine[0]) {
		t.Errorf("%d signatures", len(list))
	}
}
