package oci

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// unambiguous refuses an object with a key that differs from a known one by its case
// alone: encoding/json and the nodes take it for the known one, other registries do not,
// so that what would have to be carried depends on who reads it.
func unambiguous(raw []byte, known ...string) error {
	var object map[string]json.RawMessage
	_ = json.Unmarshal(raw, &object) // whoever reads the fields says why
	for _, key := range slices.Sorted(maps.Keys(object)) {
		for _, name := range known {
			if key != name && strings.EqualFold(key, name) {
				return fmt.Errorf("its key %q is not spelled %q: some registries take it for that, and some do not", key, name)
			}
		}
	}
	return nil
}
