package transport

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// TestTags has registries that list tags in one page, in several, without an end, and not at all.
func TestTags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pages, each int // 0 pages: without an end
		status      int
		body        string // instead of a page
		found       int
	}{
		"one page":       {1, 3, 200, "", 3},
		"several":        {4, 50, 200, "", 200},
		"without an end": {0, 5000, 200, "", 15000},
		"no such list":   {1, 0, 404, `{}`, 0},
		"no JSON":        {1, 0, 200, "<html>", 0},
		"null":           {1, 0, 200, `{"name":"a","tags":null}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			host := fake(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/v2/a/tags/list") {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				n := int(asked.Add(1))
				if n < c.pages || c.pages == 0 {
					w.Header().Set("Link", fmt.Sprintf(`</v2/a/tags/list?n=%d&last=t%d>; rel="next"`, c.each, n))
				}
				w.WriteHeader(c.status)
				if c.body != "" {
					fmt.Fprint(w, c.body)
					return
				}
				tags := make([]string, c.each)
				for i := range tags {
					tags[i] = fmt.Sprintf(`"t%d-%d"`, n, i)
				}
				fmt.Fprintf(w, `{"name":"a","tags":[%s]}`, strings.Join(tags, ","))
			})
			r, err := insecure(t).Repository(oci.Ref{Registry: host, Repository: "a"})
			if err != nil {
				t.Fatal(err)
			}
			tags, err := r.Tags(t.Context())
			if len(tags) != c.found {
				t.Errorf("%d tags", len(tags))
			}
			_, endless := errors.AsType[*EndlessError](err)
			if fails := c.pages == 0 || c.body != "" && name != "null"; (err != nil) != fails || endless != (c.pages == 0) {
				t.Errorf("the error is %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), "list the tags of "+host+"/a") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}
