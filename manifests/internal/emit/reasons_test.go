package emit

import (
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// reasons makes reasons of words for them, "KIND NAME: PART", which have no spaces in KIND.
func reasons(words ...string) (list []oci.Reason) {
	for _, w := range words {
		whole, part, _ := strings.Cut(w, ": ")
		kind, name, _ := strings.Cut(whole, " ")
		list = append(list, oci.Reason{Kind: kind, Name: name, Part: part})
	}
	return list
}
