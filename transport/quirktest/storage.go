package quirktest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// toStorage redirects these kinds of requests to object storage, at an address that
// is signed for one method, GET.
func toStorage(kinds ...string) quirk {
	return func(s *Server, next handler) handler {
		return func(w http.ResponseWriter, r *request) {
			if _, ok := s.store.blob(r.repo, r.ref); !ok || !slices.Contains(kinds, r.kind) {
				next(w, r)
				return
			}
			s.meet(r.kind + " is redirected to storage")
			w.Header().Set("Location", fmt.Sprintf("https://%s/bucket/%s/%s?X-Amz-Signature=GET", s.storage, r.repo, r.ref))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}
}

// objects is the object storage, as S3 answers: a signature counts for its method
// alone, and a request with two kinds of credentials is refused.
func (s *Server) objects(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/bucket/")
	i := strings.LastIndexByte(path, '/')
	switch {
	case i < 0 || r.URL.Query().Get("X-Amz-Signature") != r.Method:
		s.meet("HEAD to storage")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<Error><Code>SignatureDoesNotMatch</Code></Error>`)
	case r.Header.Get("Authorization") != "":
		s.meet("a credential for storage")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>`)
	default:
		body, _ := s.store.blob(path[:i], path[i+1:])
		w.Header().Set("Content-Type", "binary/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
}
