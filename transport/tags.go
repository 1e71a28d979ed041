package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

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
