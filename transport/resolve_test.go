package transport

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// A proxy's page is no manifest, and no fault of the image.
func TestPageInsteadOfManifest(t *testing.T) {
	host := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<html>please log in</html>")
	})
	traced := 0
	c := NewClient(Config{Trace: func(_, url string, status int, _ error) {
		if status == http.StatusOK && !strings.Contains(url, "?") {
			traced++
		}
	}})
	t.Cleanup(c.Close)
	_, _, err := c.Resolve(t.Context(), oci.Ref{Registry: host, Repository: "a/b", Tag: "v1"})
	var refused *RegistryError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "a page of text in a registry's place") {
		t.Errorf("got %v", err)
	}
	if traced == 0 {
		t.Error("no request was traced")
	}
}
