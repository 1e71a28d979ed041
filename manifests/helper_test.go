package manifests

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fileOf is the file of that name.
func fileOf(t *testing.T, files []File, name string) File {
	t.Helper()
	for _, f := range files {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("%s was not written", name)
	return File{}
}

// reasons makes reasons of words for them, "KIND NAME: PART", which have no spaces in KIND.
func reasons(words ...string) (list []oci.Reason) {
	for _, w := range words {
		whole, part, _ := strings.Cut(w, ": ")
		kind, name, _ := strings.Cut(whole, " ")
		list = append(list, oci.Reason{Kind: kind, Name: name, Part: part})
	}
	return list
}
