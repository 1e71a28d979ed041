package ask_test

import (
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
)

// TestFetchErrorPermanent distinguishes a server that refuses from one that is busy.
func TestFetchErrorPermanent(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{400: true, 403: true, 404: true, 410: true, 408: false, 429: false, 500: false, 503: false, 302: false} {
		if e := (&ask.FetchError{URL: "https://a.example/x", Status: status}); e.Permanent() != want {
			t.Errorf("%v: permanent is %v", e, e.Permanent())
		}
	}
}
