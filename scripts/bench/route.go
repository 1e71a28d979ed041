package main

import (
	"net/http"
	"strings"
)

// route is a request to a registry, taken apart: /v2/REPO/KIND/NAME.
type route struct {
	repo string
	kind string // blobs, uploads or manifests; empty for /v2/
	name string // digest, tag or upload session; empty to start an upload
}

// parseRoute reports false for what is no path of a registry's that is served here.
func parseRoute(path string) (route, bool) {
	rest, ok := strings.CutPrefix(path, "/v2/")
	if !ok || rest == "" {
		return route{}, ok
	}
	for _, kind := range []string{"/blobs/uploads/", "/blobs/", "/manifests/"} {
		if i := strings.LastIndex(rest, kind); i > 0 {
			parts := strings.Split(strings.Trim(kind, "/"), "/")
			return route{rest[:i], parts[len(parts)-1], rest[i+len(kind):]}, true
		}
	}
	return route{}, false
}

// refuse answers as registries do (distribution-spec, "Error Codes").
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that went away is its own affair.
	_, _ = w.Write([]byte(`{"errors":[{"code":"` + code + `"}]}`))
}
