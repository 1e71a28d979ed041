package transport

import (
	"context"
	"fmt"
	"net/http"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// SignatureError says that a mirror refuses to say whether a signature is there. A node
// that looks for one, because of a policy, takes that for a failure and pulls nothing
// (containers/image: anything but 404 is one).
type SignatureError struct {
	Repo oci.Ref
	Tag  string // where it would be
	Err  error
}

func (e *SignatureError) Error() string {
	return fmt.Sprintf("check %s: the registry gives the image, and refuses to say whether it is signed: %s; nodes that look for a signature would not pull it", e.Repo.WithTag(e.Tag), reason(e.Err))
}

func (e *SignatureError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *SignatureError) Hint() string {
	return "have the registry, or the proxy in front of it, answer 404 for a tag that does not exist"
}

// signature looks, once a repository, for the tag of a signature as nodes do.
func (c *confirming) signature(ctx context.Context, r *Repository, img oci.Image) error {
	if img.Subject != "" {
		return nil
	}
	if _, asked := c.asked.LoadOrStore("signature "+r.ref.Name(), nil); asked {
		return nil
	}
	tag := fallbackTag(img.Root) + ".sig"
	look := func(at *Repository) error {
		resp, err := at.ask(ctx, http.MethodGet, "manifests/"+tag, http.Header{"Accept": nodeTypes()})
		if err != nil {
			return explain("check", r.ref.WithTag(tag).String(), err)
		}
		if uncertain(resp.StatusCode) {
			return explain("check", r.ref.WithTag(tag).String(), answerError(resp))
		}
		reply.Drain(resp)
		return nil
	}
	err := look(r)
	if uncertain(statusIn(err)) {
		err = look(r.renewed())
	}
	if uncertain(statusIn(err)) {
		return &SignatureError{Repo: r.ref, Tag: tag, Err: err}
	}
	return err
}
