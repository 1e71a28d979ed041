package asktest

import (
	"errors"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

var ErrFull = errors.New("write to the cache: no space left on device")

func NoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Reasons makes reasons of words for them, "KIND NAME: PART", which have no spaces in KIND.
func Reasons(words ...string) (list []oci.Reason) {
	for _, w := range words {
		whole, part, _ := strings.Cut(w, ": ")
		kind, name, _ := strings.Cut(whole, " ")
		list = append(list, oci.Reason{Kind: kind, Name: name, Part: part})
	}
	return list
}
