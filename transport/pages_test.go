package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestPagesEnd has a registry give referrers in pages of its own kind.
func TestPagesEnd(t *testing.T) {
	subject := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte("subject")), Size: 7}
	entry := func(n int) oci.Descriptor {
		body := fmt.Appendf(nil, "entry %d", n)
		return oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest(body), Size: int64(len(body))}
	}
	for name, c := range map[string]struct {
		link    func(r *http.Request, n int) string
		entries int // in each page; 0: one
		pages   int // asked for
		found   int
		stopped bool
		fails   string
	}{
		"none": {func(*http.Request, int) string { return "" }, 1, 1, 1, false, ""},
		"next": {func(r *http.Request, n int) string { return until(n, 3, `<?n=%d>; rel="next"`) }, 1, 3, 3, false, ""},
		"an internal name": {func(r *http.Request, n int) string {
			return until(n, 3, `<http://registry.internal:5000`+r.URL.Path+`?n=%d>; rel=next`)
		}, 1, 3, 3, false, ""},
		"among others": {func(r *http.Request, n int) string {
			return until(n, 2, `<?a,b>; rel="prev"; title="a, b", <?n=%d>; title="x"; REL="last next"`)
		}, 1, 2, 2, false, ""},
		"without rel":    {func(r *http.Request, n int) string { return until(n, 2, `<?n=%d>`) }, 1, 2, 2, false, ""},
		"unreadable":     {func(r *http.Request, n int) string { return `</v2/%zz>; rel="next"` }, 1, 1, 0, false, "cannot be read"},
		"last":           {func(r *http.Request, n int) string { return fmt.Sprintf(`<?n=%d>; rel="last"`, n) }, 1, 1, 1, false, ""},
		"prev and self":  {func(r *http.Request, n int) string { return `<?p>; rel="prev", <` + r.URL.Path + `>; rel="self"` }, 1, 1, 1, false, ""},
		"the same":       {func(r *http.Request, n int) string { return `<` + r.URL.RequestURI() + `>; rel="next"` }, 1, 1, 1, true, ""},
		"in a circle":    {func(r *http.Request, n int) string { return fmt.Sprintf(`<?n=%d>; rel="next"`, n%3) }, 1, 4, 4, true, ""},
		"without an end": {func(r *http.Request, n int) string { return fmt.Sprintf(`<?n=%d>; rel="next"`, n) }, 1, maxPages, 0, false, "no end"},
		"full, no end":   {func(r *http.Request, n int) string { return fmt.Sprintf(`<?n=%d>; rel="next"`, n) }, 4000, 3, 0, false, "12000 entries"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			host := fake(t, func(w http.ResponseWriter, r *http.Request) {
				if registrytest.Kind(r) != "GET referrer" {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				n := int(asked.Add(1))
				if link := c.link(r, n); link != "" {
					w.Header().Set("Link", link)
				}
				w.Header().Set("Content-Type", oci.MediaTypeIndex+"; charset=utf-8")
				page := ispec.Index{MediaType: oci.MediaTypeIndex}
				for i := range c.entries {
					page.Manifests = append(page.Manifests, entry(n*c.entries+i))
				}
				_ = json.NewEncoder(w).Encode(page)
			})
			r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
			if err != nil {
				t.Fatal(err)
			}
			all, err := r.Attachments(t.Context(), subject)
			if int(asked.Load()) != c.pages {
				t.Errorf("%d pages were asked for", asked.Load())
			}
			var endless *EndlessError
			if c.fails != "" {
				var answer *RegistryError
				known := errors.As(err, &endless) && endless.Hint() != "" && endless.Permanent() ||
					errors.Is(err, reply.ErrLink) && errors.As(err, &answer) && answer.Hint() == hintMoved && answer.Permanent()
				if !known || !strings.Contains(err.Error(), c.fails) || !strings.Contains(err.Error(), "referrers") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || len(all.List) != c.found || all.Stopped != "" != c.stopped || strings.Contains(all.Stopped, "://") || len(all.Unknown) > 0 {
				t.Errorf("%+v, %v", all, err)
			}
		})
	}
}

func until(n, last int, format string) string {
	if n >= last {
		return ""
	}
	return fmt.Sprintf(format, n)
}
