package reply

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
)

// The next page is asked for where the first one was, with the query that it was given. One that
// cannot be read is not taken for none.
func TestNextPage(t *testing.T) {
	from := &url.URL{Scheme: "https", Host: "registry.example", Path: "/v2/a/b/tags/list"}
	for link, want := range map[string]string{
		`</v2/a/b/tags/list?last=x%2Fy&n=3>; rel="next"`: "https://registry.example/v2/a/b/tags/list?last=x%2Fy&n=3",
		`<http://inner:5000/v2/a/b/tags/list?n=3>`:       "https://registry.example/v2/a/b/tags/list?n=3",
		`<list?n=3>;rel=next`:                            "https://registry.example/v2/a/b/tags/list?n=3",
		`<%zz>; rel="next"`:                              "error",
		`<>; rel=next`:                                   "error",
		`/v2/a/b/tags/list?n=3; rel="next"`:              "error",
		`<list?n=3; Rel="next"`:                          "error",
		`<list?n=1>; rel="prev", <http://%zz>; rel=next`: "error",
		`list; rel="last"`:                               "",
		`<%zz>; rel="prev"`:                              "",
		`no link`:                                        "",
		`<half`:                                          "",
	} {
		got, err := NextPage(&http.Response{Header: http.Header{"Link": {link}}}, from)
		if errors.Is(err, ErrLink) != (want == "error") || err != nil && !errors.Is(err, ErrLink) {
			t.Errorf("%s: %v", link, err)
		}
		if want == "error" {
			want = ""
		}
		if want == "" && got != nil || want != "" && (got == nil || got.String() != want) {
			t.Errorf("%s: %v", link, got)
		}
	}
}
