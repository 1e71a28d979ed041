package filter

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
)

// rule is something that opm 1.26, the oldest that a supported OpenShift ships, refuses
// and newer operator-registry takes, as of a whole catalog. Each gives why, or "".
type rule struct {
	name string
	// channel is of the updates of a channel, of which first is the head.
	channel func(entries []declcfg.ChannelEntry, at map[string]int, first int) string
	// document is of one of a schema that operator-registry does not know.
	document func(keys map[string]json.RawMessage) string
}

// oldest is what the two differ in. What is missing here is what filtering never writes:
// objects by ref to a file that is not there, or by ref and data at once (alpha/property,
// File), which package catalog puts into the document.
var oldest = []rule{
	{
		// The chain of replaces ends, for newer ones, where it leads to an entry that another
		// skips; 1.26 follows it to its end (alpha/model, validateReplacesChain).
		name: "a circle behind an entry that is skipped",
		channel: func(entries []declcfg.ChannelEntry, at map[string]int, first int) string {
			cur, _ := circle(entries, at, first)
			if cur < 0 {
				return ""
			}
			return fmt.Sprintf("a circle: %s replaces %s", entries[cur].Name, entries[cur].Replaces)
		},
	},
	{
		// 1.26 reads the properties of every document, whatever its schema (alpha/declcfg, Meta).
		name: "properties that are no list of properties",
		document: func(keys map[string]json.RawMessage) string {
			for key, value := range keys {
				if strings.EqualFold(key, "properties") && json.Unmarshal(value, new([]property.Property)) != nil {
					return "its properties are no list of type and value"
				}
			}
			return ""
		},
	},
}

// RefusedByOldest says why opm 1.26 refuses a catalog that has a document, as JSON, of a
// schema that operator-registry does not know; "" if it does not.
func RefusedByOldest(document []byte) string {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(document, &keys); err != nil {
		return oneLine(err)
	}
	for _, r := range oldest {
		if r.document == nil {
			continue
		}
		if why := r.document(keys); why != "" {
			return why
		}
	}
	return ""
}
