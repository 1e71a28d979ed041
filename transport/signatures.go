package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

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

	early bool // whether the image is there was not looked at
}

func (e *SignatureError) Error() string {
	what := "gives the image, and refuses to say whether it is signed"
	if e.early {
		what = "refuses to say whether the image is signed"
	}
	return fmt.Sprintf("check %s: the registry %s: %s; nodes that look for a signature would not pull it", e.Repo.WithTag(e.Tag), what, reason(e.Err))
}

func (e *SignatureError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *SignatureError) Hint() string {
	if isDamaged(e.Err) {
		return hintRemove("tag", tagFile(e.Repo, e.Tag))
	}
	return "have the registry, or the proxy in front of it, answer 404 for a tag that does not exist"
}

// absentOrThere reports whether a status answers the question for a tag.
func absentOrThere(status int) bool { return status/100 == 2 || status == http.StatusNotFound }

// passes reports whether a status is that of a registry, or proxy, which is busy or away.
func passes(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusProxyAuthRequired,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// signature looks, once a repository, for the tag of a signature as nodes do.
func (c *confirming) signature(ctx context.Context, r *Repository, img oci.Image) error {
	if img.Subject != "" {
		return nil
	}
	if _, asked := c.asked.LoadOrStore("signature "+r.ref.Name(), nil); asked {
		return nil
	}
	return r.signatureOf(ctx, img)
}

// signatureOf looks for the tag of an image's signature.
func (r *Repository) signatureOf(ctx context.Context, img oci.Image) error {
	tag := fallbackTag(img.Root) + ".sig"
	look := func(at *Repository) error {
		return at.alone(ctx, func(ctx context.Context) error {
			resp, err := at.ask(ctx, http.MethodGet, "manifests/"+tag, http.Header{"Accept": nodeTypes()})
			if err != nil {
				return explain("check", r.ref.WithTag(tag).String(), err)
			}
			if !absentOrThere(resp.StatusCode) {
				return explain("check", r.ref.WithTag(tag).String(), answerError(resp))
			}
			reply.Drain(resp)
			return nil
		})
	}
	err := look(r)
	if uncertain(statusIn(err)) {
		err = look(r.renewed())
	}
	if s := statusIn(err); s != 0 && !passes(s) {
		return &SignatureError{Repo: r.ref, Tag: tag, Err: err}
	}
	return err
}

// ProbeSignatures looks, before the first layer, in each repository for the tag of a signature, as
// [Mirror.Confirm] does at the end. A refusal counts only where the registry answers what else is
// asked for in that repository: it may not be there yet. The error joins a *[SignatureError] for
// each repository (at most 20), or is a *[RegistryError].
func (m *Mirror) ProbeSignatures(ctx context.Context, images []oci.Image) error {
	first := map[oci.Ref]oci.Image{}
	for _, img := range images {
		repo := m.target.Repo(img)
		if _, asked := first[repo]; !asked && img.Subject == "" {
			first[repo] = img
		}
	}
	var mu sync.Mutex
	var refused []error
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for repo, img := range first {
		g.Go(func() error {
			r, err := m.client.Repository(repo)
			if err != nil {
				return err
			}
			err = r.signatureOf(gctx, img)
			unsaid, is := errors.AsType[*SignatureError](err)
			if !is {
				return err
			}
			unsaid.early = true
			if !r.answersOthers(gctx) {
				return gctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, unsaid)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(refused, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(fewer(refused)...)
}
