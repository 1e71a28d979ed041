package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

const (
	maxPages  = 1000    // of a list that a registry gives in pages
	maxListed = 10_000  // entries of such a list
	maxPage   = 8 << 20 // bytes
)

// EndlessError says that a list which a registry gives in pages has no end.
type EndlessError struct {
	Pages, Entries int // that were read
}

func (e *EndlessError) Error() string {
	return fmt.Sprintf("the registry's list has no end: stopped after %d pages with %d entries", e.Pages, e.Entries)
}

// Hint says what to do now.
func (e *EndlessError) Hint() string {
	return "this is a fault of the registry, or of a proxy in front of it: report it to its administrator"
}

// Permanent is true: the registry answered.
func (e *EndlessError) Permanent() bool { return true }

// pages walks a list that a registry gives in pages (OCI distribution-spec, "Listing
// Tags", "Listing Referrers"). read takes one page and gives the number of its entries.
// stopped is the address of a page that was given before, at which it ends too; "" for none.
func (r *Repository) pages(ctx context.Context, path string, query url.Values, accept http.Header, read func(*http.Response) (int, error)) (stopped string, err error) {
	seen := map[string]bool{}
	entries := 0
	for next := r.url(path, query); next != nil; {
		if len(seen) == maxPages || entries > maxListed {
			return "", &RegistryError{Err: &EndlessError{len(seen), entries}}
		}
		at := *next
		if seen[at.RequestURI()] {
			return reply.BareURL(at.String()), nil
		}
		seen[at.RequestURI()] = true
		err := r.unbroken(ctx, func() error {
			resp, err := r.askURL(ctx, http.MethodGet, &at, accept)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			n, err := read(resp)
			if next = reply.NextPage(resp, &at); err == nil {
				entries += n
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return "", nil
}

// tagsPage is how many tags are asked for at once; registries may give fewer.
const tagsPage = "1000"

// Tags lists the tags of the repository (OCI distribution-spec, "Listing Tags"). With an
// error it gives what was read before: a list without an end is an [*EndlessError].
// Nothing is tried again.
func (r *Repository) Tags(ctx context.Context) (tags []string, err error) {
	err = r.each(retry.Once(ctx), false, func(ctx context.Context, p *Repository) error {
		tags = nil
		_, err := p.pages(ctx, "tags/list", url.Values{"n": {tagsPage}}, http.Header{"Accept": {"application/json"}}, func(resp *http.Response) (int, error) {
			if resp.StatusCode != http.StatusOK {
				return 0, answerError(resp)
			}
			body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
			if err != nil {
				return 0, err
			}
			var page struct{ Tags []string }
			if err := json.Unmarshal(body, &page); err != nil {
				return 0, &RegistryError{Err: fmt.Errorf("its list of tags is not valid JSON, or has more than %d bytes", maxPage)}
			}
			tags = append(tags, page.Tags...)
			return len(page.Tags), nil
		})
		return explain("list the tags of", r.ref.String(), err)
	})
	return tags, err
}
