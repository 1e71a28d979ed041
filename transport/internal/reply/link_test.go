package reply

import (
	"net/http"
	"net/url"
	"testing"
)

// The next page is asked for where the first one was, with the query that it was given.
func TestNextPage(t *testing.T) {
	from := &url.URL{Scheme: "https", Host: "registry.example", Path: "/v2/a/b/tags/list"}
	for link, want := range map[string]string{
		`</v2/a/b/tags/list?last=x%2Fy&n=3>; rel="next"`: "https://registry.example/v2/a/b/tags/list?last=x%2Fy&n=3",
		`<http://inner:5000/v2/a/b/tags/list?n=3>`:       "https://registry.example/v2/a/b/tags/list?n=3",
		`<list?n=3>;rel=next`:                            "https://registry.example/v2/a/b/tags/list?n=3",
		`<%zz>; rel="next"`:                              "",
		`no link`:                                        "",
		`<half`:                                          "",
	} {
		got := NextPage(&http.Response{Header: http.Header{"Link": {link}}}, from)
		if want == "" && got != nil || want != "" && (got == nil || got.String() != want) {
			t.Errorf("%s: %v", link, got)
		}
	}
}
