package cluster

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/distribution/reference"

	"github.com/satchel-airgap/satchel/oci"
)

// digestPattern finds digests in any text.
var digestPattern = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// maxName is the longest text that may be an image's name, in bytes.
const maxName = 1 << 10

// names adds what an object names anywhere.
func (r *reading) names(h head, body []byte) error {
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil {
		return err
	}
	if meta, ok := doc["metadata"].(map[string]any); ok {
		delete(meta, "managedFields") // names of fields
	}
	live := true
	if status, ok := doc["status"].(map[string]any); ok && h.Kind == "Pod" {
		live = status["phase"] != "Succeeded" && status["phase"] != "Failed"
	}
	r.walk("", doc, Name{r.by(h), live})
	return nil
}

func (r *reading) walk(key string, value any, by Name) {
	switch v := value.(type) {
	case map[string]any:
		for k, below := range v {
			r.walk(k, below, by)
		}
	case []any:
		for _, below := range v {
			r.walk(key, below, by)
		}
	case string:
		r.text(key, v, by)
	}
}

// text adds what a text names. A short name is one only where a name of an image is due.
func (r *reading) text(key, s string, by Name) {
	u := r.use
	if strings.Contains(s, "sha256:") {
		for _, d := range digestPattern.FindAllString(s, -1) {
			add(&u.Digests, d, by)
		}
	}
	if len(s) > maxName || strings.Contains(s, "@") {
		return
	}
	if _, after, ok := strings.Cut(s, "://"); ok { // as Docker and other tools write it
		s = after
	}
	if mayHaveTag(s) {
		if ref, err := oci.ParseRef(s); err == nil && ref.Tag != "" {
			add(&u.Tags, ref.String(), by)
			return
		}
	}
	if key != "image" {
		return
	}
	named, err := reference.ParseNormalizedNamed(s)
	if err != nil {
		return
	}
	if ref, err := oci.ParseRef(reference.TagNameOnly(named).String()); err == nil && ref.Tag != "" {
		add(&u.Tags, ref.String(), by)
	}
}

// mayHaveTag reports whether a text may be HOST/REPOSITORY:TAG. Most texts of a large cluster are not, and
// taking each apart to find out is half of the time of reading them.
func mayHaveTag(s string) bool {
	i := strings.LastIndexByte(s, '/')
	return i > 0 && strings.IndexByte(s[i:], ':') > 0 && !strings.ContainsAny(s, " \n\t")
}

func add(to *map[string]Name, name string, by Name) {
	if *to == nil {
		*to = map[string]Name{}
	}
	old, known := (*to)[name]
	switch {
	case !known, by.Live && !old.Live, by.Live == old.Live && by.By < old.By:
		(*to)[name] = by
	}
}
