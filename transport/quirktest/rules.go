package quirktest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// when answers what it applies to with a refusal.
func when(name string, applies func(s *Server, r *request) bool, status int, code, message string) quirk {
	return func(s *Server, next handler) handler {
		return func(w http.ResponseWriter, r *request) {
			if !applies(s, r) {
				next(w, r)
				return
			}
			s.meet(name)
			refuse(w, status, code, message)
		}
	}
}

// once refuses the first request of a kind.
func once(kind string, status int, header, code, message string) quirk {
	return func(s *Server, next handler) handler {
		return func(w http.ResponseWriter, r *request) {
			if r.kind != kind || !s.first("the first "+kind+" is refused") {
				next(w, r)
				return
			}
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			refuse(w, status, code, message)
		}
	}
}

// created refuses to write into repositories that nobody has created.
func created(status int, code, message string) quirk {
	return when("not created", func(s *Server, r *request) bool {
		return r.writes() && !strings.HasPrefix(r.repo, s.Project+"/")
	}, status, code, message)
}

// shallow refuses to write below so many path components.
func shallow(most, status int, code, message string) quirk {
	return when("too deep", func(_ *Server, r *request) bool {
		return r.writes() && strings.Count(r.repo, "/") >= most
	}, status, code, message)
}

// fixed refuses a tag that exists, for the same manifest too.
func fixed(status int, code, message string) quirk {
	return when("tags do not change", func(s *Server, r *request) bool {
		_, _, exists := s.store.find(r.repo, r.ref)
		return r.tagged() && exists
	}, status, code, message)
}

// undeletable refuses to delete such things: "manifest", "blob", "upload".
func undeletable(status int, things ...string) quirk {
	return when("nothing is deleted", func(_ *Server, r *request) bool {
		return r.Method == http.MethodDelete && slices.ContainsFunc(things, func(t string) bool { return strings.HasSuffix(r.kind, " "+t) })
	}, status, "UNSUPPORTED", "The operation is unsupported.")
}

// noReferrers has no list of referrers.
func noReferrers(status int) quirk {
	return when("no referrers API", func(_ *Server, r *request) bool { return r.kind == "GET referrer" }, status, "UNSUPPORTED", "The operation is unsupported.")
}

// childrenFirst refuses an index with children that are not there.
func childrenFirst(status int, code, message string) quirk {
	return when("children first", func(s *Server, r *request) bool {
		return slices.ContainsFunc(r.named().Manifests, func(d oci.Descriptor) bool {
			_, _, ok := s.store.find(r.repo, d.Digest.String())
			return !ok
		})
	}, status, code, message)
}

// noMount begins an upload for each mount.
func noMount(s *Server, next handler) handler {
	return func(w http.ResponseWriter, r *request) {
		if r.kind == "POST mount" {
			s.meet("no mounts")
			r.kind = "POST upload"
		}
		next(w, r)
	}
}

// absolute makes the address of an upload one with scheme and host, and a state in
// its query that must come back.
func absolute(s *Server, next handler) handler {
	return func(w http.ResponseWriter, r *request) {
		if strings.HasSuffix(r.kind, " upload") && r.Method != http.MethodPost && r.URL.Query().Get("_state") != "a+b=" {
			refuse(w, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "the state of the upload is missing")
			return
		}
		next(&located{w, "https://" + s.Host, "?_state=a%2Bb%3D"}, r)
	}
}

// located changes the address of an upload.
type located struct {
	http.ResponseWriter
	before, after string
}

func (w *located) WriteHeader(status int) {
	if to := w.Header().Get("Location"); status == http.StatusAccepted && to != "" {
		w.Header().Set("Location", w.before+to+w.after)
	}
	w.ResponseWriter.WriteHeader(status)
}

// pages has lists of tags end after so many, however many are asked for.
func pages(n int) quirk {
	return func(_ *Server, next handler) handler {
		return func(w http.ResponseWriter, r *request) {
			if q := r.URL.Query(); r.kind == "GET tag" {
				if asked, err := strconv.Atoi(q.Get("n")); err != nil || asked > n {
					q.Set("n", strconv.Itoa(n))
					r.URL.RawQuery = q.Encode()
				}
			}
			next(w, r)
		}
	}
}

// silent leaves the digest out of answers to what is put, and the body is empty.
func silent(s *Server, next handler) handler {
	return func(w http.ResponseWriter, r *request) {
		if r.Method == http.MethodPut {
			s.meet("no digest in the answer")
			w = &without{w, "Docker-Content-Digest"}
		}
		next(w, r)
	}
}

// without leaves a header out.
type without struct {
	http.ResponseWriter
	header string
}

func (w *without) WriteHeader(status int) {
	w.Header().Del(w.header)
	w.ResponseWriter.WriteHeader(status)
}
