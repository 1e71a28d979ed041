package serve

import (
	"regexp"
	"strings"
)

// kind is what a request is about.
type kind int

const (
	kindNone kind = iota
	kindBase      // end-1 of the specification
	kindCatalog
	kindTags      // end-8
	kindManifest  // end-3
	kindBlob      // end-2
	kindUpload    // what begins or continues one
	kindReferrers // end-12
)

// target is what a path names.
type target struct {
	kind kind
	name string // of a repository
	ref  string // tag or digest
}

// namePattern is the name of a repository, as "Pulling manifests" of the specification has it.
var namePattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// parse takes a path apart, from its end: names may have any of the words in them.
func parse(path string) target {
	rest, ok := strings.CutPrefix(path, "/v2/")
	switch {
	case path == "/v2" || path == "/v2/":
		return target{kind: kindBase}
	case !ok:
		return target{}
	case rest == "_catalog":
		return target{kind: kindCatalog}
	}
	parts := strings.Split(rest, "/")
	n := len(parts)
	if n < 3 {
		return target{}
	}
	last := parts[n-1]
	name := func(behind int) string { return strings.Join(parts[:n-behind], "/") }
	switch before := parts[n-2]; {
	case before == "tags" && last == "list":
		return target{kind: kindTags, name: name(2)}
	case before == "manifests":
		return target{kindManifest, name(2), last}
	case before == "referrers":
		return target{kindReferrers, name(2), last}
	case n > 3 && parts[n-3] == "blobs" && before == "uploads":
		return target{kindUpload, name(3), last}
	case before == "blobs" && last == "uploads":
		return target{kind: kindUpload, name: name(2)}
	case before == "blobs":
		return target{kindBlob, name(2), last}
	}
	return target{}
}
