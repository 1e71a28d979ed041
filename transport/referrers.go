package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// What is known of a repository's referrers API.
const (
	apiUnknown int32 = iota
	apiThere
	apiAbsent  // the fallback tag has the referrers
	apiRefused // what is not under the fallback tag is not known
)

// referrersAPI is what a run found out of a repository's.
type referrersAPI struct {
	state   atomic.Int32
	refusal atomic.Pointer[RegistryError] // with apiRefused
}

// referrerList is what a registry answered about a manifest's referrers.
type referrerList struct {
	found   []oci.Descriptor // each once, of any kind
	have    map[digest.Digest]bool
	read    bool           // a page was
	refused *RegistryError // the registry refused to say, and no fallback index does
	stopped string         // at this page, which it had given before
}

// fallbackTag is the tag of the referrers index of a registry without the API.
func fallbackTag(d oci.Descriptor) string {
	return strings.Replace(d.Digest.String(), ":", "-", 1)
}

// referrers lists the manifests whose subject is d: by the API, or where that is not
// there, by the fallback tag (OCI distribution-spec, "Listing Referrers"). A refusal
// is looked at twice, the second time with a new token.
func (r *Repository) referrers(ctx context.Context, d oci.Descriptor) (*referrerList, error) {
	state, refusal := r.api.state.Load(), r.api.refusal.Load()
	if state == apiUnknown || state == apiThere {
		list, err := r.askReferrers(ctx, d)
		now := apiAfter(list, err)
		if now == apiRefused && !errors.Is(err, errNoIndex) {
			list, err = r.renewed().askReferrers(ctx, d)
			now = apiAfter(list, err)
		}
		if state == apiUnknown && now != apiUnknown {
			r.foundAPI(now, err)
		}
		if refusal = nil; now == apiRefused {
			errors.As(err, &refusal)
		}
		switch {
		case isUnknownName(err): // the repository is not there, so neither are referrers
			return &referrerList{}, nil
		case now == apiThere, now == apiUnknown:
			return list, err
		}
	}
	list, err := r.fallbackReferrers(ctx, d)
	if err == nil && !list.read {
		list.refused = refusal
	}
	return list, explain("list the referrers of", r.name(d), err)
}

// sourceReferrers is referrers for a source, which may have a list that cannot be read: what is
// attached is not known then.
func (r *Repository) sourceReferrers(ctx context.Context, d oci.Descriptor) (list *referrerList, err error) {
	err = r.aloneAsked(ctx, func(ctx context.Context) (err error) {
		list, err = r.referrers(ctx, d)
		return err
	})
	if answer, ok := errors.AsType[*RegistryError](err); ok && (answer.damaged || errors.Is(answer.Err, errBadIndex)) {
		return &referrerList{refused: answer}, nil
	}
	return list, err
}

// apiAfter is what an answer shows about the API. Only 404 means by the specification that it
// is not there, but proxies and older registries answer otherwise what they do not know.
func apiAfter(list *referrerList, err error) int32 {
	status := statusIn(err)
	switch {
	case err == nil:
		return apiThere
	case list.read, isUnknownName(err): // on a later page; of the repository
		return apiUnknown
	case uncertain(status), errors.Is(err, errNoIndex):
		return apiRefused
	case status > 0 && status < 400, reply.Permanent(status), status == http.StatusNotImplemented:
		return apiAbsent
	}
	return apiUnknown
}

// foundAPI notes what is known of the API, for pushes too.
func (r *Repository) foundAPI(state int32, err error) {
	var refusal *RegistryError
	if state == apiRefused && errors.As(err, &refusal) {
		r.api.refusal.Store(refusal)
	}
	r.api.state.Store(state)
	_ = r.remote.SetReferrersCapability(state == apiThere) // an error says that it knows already
}

// uncertain reports whether a status refuses, and does not say that there is nothing.
func uncertain(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return true
	}
	return false
}

// statusIn is the status that the registry, or where it redirects to, answered; 0 for none.
func statusIn(err error) int {
	if answer, ok := errors.AsType[*RegistryError](err); ok {
		return answer.Status
	}
	return 0
}

func isUnknownName(err error) bool {
	var answer *RegistryError
	return errors.As(err, &answer) && answer.Status == http.StatusNotFound && answer.Code == "NAME_UNKNOWN"
}

// renewed is the repository for a second look: without the tokens that were used so far.
func (r *Repository) renewed() *Repository {
	r.second.Do(func() {
		d := r.sender
		fresh := &sender{client: d.client, endpoint: d.endpoint, auth: d.auth.Anew(), blocked: d.blocked}
		r.again = &Repository{ref: r.ref, named: r.named, location: r.location, sender: fresh, remote: r.remote}
	})
	return r.again
}

var (
	errNoIndex  = errors.New("it answered 200 and something that is not an index of referrers")
	errBadIndex = fmt.Errorf("its index of referrers is not valid JSON, or has more than %d bytes", maxPage)
)

// askReferrers asks the API.
func (r *Repository) askReferrers(ctx context.Context, d oci.Descriptor) (*referrerList, error) {
	list := &referrerList{}
	var err error
	list.stopped, err = r.pages(ctx, "referrers/"+d.Digest.String(), maxListed, nil, http.Header{"Accept": {oci.MediaTypeIndex}}, func(resp *http.Response) (int, error) {
		if resp.StatusCode != http.StatusOK {
			return 0, answerError(resp)
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage))
		if err != nil {
			return 0, err
		}
		if plain, err := reply.Gunzip(body, maxPage); err == nil {
			body = plain
		}
		n, err := list.add(body, mediaType(resp) == oci.MediaTypeIndex)
		list.read = list.read || err == nil
		return n, err
	})
	return list, explain("list the referrers of", r.name(d), err)
}

// add takes the entries of one index. What is not said to be one must have entries.
func (l *referrerList) add(body []byte, index bool) (int, error) {
	var page struct {
		Manifests *[]struct { // what is not as specified is looked up, see attachments
			MediaType any
			Digest    any
			Size      any
		}
	}
	if err := json.Unmarshal(body, &page); err != nil || page.Manifests == nil && !index {
		if index {
			return 0, &RegistryError{Err: errBadIndex}
		}
		return 0, errNoIndex
	}
	if page.Manifests == nil {
		return 0, nil
	}
	if l.have == nil {
		l.have = map[digest.Digest]bool{}
	}
	for _, p := range *page.Manifests {
		var d oci.Descriptor
		d.MediaType, _ = p.MediaType.(string)
		name, _ := p.Digest.(string)
		d.Digest = digest.Digest(name)
		if size, ok := p.Size.(float64); ok && size == float64(int64(size)) {
			d.Size = int64(size)
		}
		if !l.have[d.Digest] {
			l.have[d.Digest] = true
			l.found = append(l.found, d)
		}
	}
	return len(*page.Manifests), nil
}

// fallbackReferrers reads the index under the fallback tag, if there is one.
func (r *Repository) fallbackReferrers(ctx context.Context, d oci.Descriptor) (*referrerList, error) {
	list := &referrerList{}
	read := func(p *Repository) (oci.Descriptor, []byte, error) {
		index, body, err := p.manifestRead(ctx, fallbackTag(d), "")
		return index, body, explain("list the referrers of", r.name(d), err)
	}
	index, body, err := read(r)
	if uncertain(statusIn(err)) {
		index, body, err = read(r.renewed())
	}
	if err == nil {
		err = checkPage(index.MediaType)
	}
	var odd *oci.UnsupportedError
	status := statusIn(err)
	switch answer, ok := errors.AsType[*RegistryError](err); {
	case uncertain(status), ok && answer.page:
		list.refused = answer
		return list, nil
	case status == http.StatusNotFound, status == http.StatusBadRequest, status == http.StatusGone, status == http.StatusUnprocessableEntity, errors.As(err, &odd):
		return list, nil // none, or something else under such a tag
	case err != nil:
		return nil, err
	case index.MediaType != oci.MediaTypeIndex || index.Digest == d.Digest: // so do registries that take the tag for a digest
		return list, nil
	}
	list.read = true
	_, err = list.add(body, true)
	return list, err
}

// refersTo reports whether the repository lists d among the referrers of the
// subject: by the API, or in the fallback index. A list that is damaged is a *[ManifestError].
func (r *Repository) refersTo(ctx context.Context, d oci.Descriptor, subject oci.Descriptor) (bool, error) {
	var list *referrerList
	err := r.alone(ctx, func(ctx context.Context) (err error) {
		list, err = r.referrers(ctx, subject)
		return err
	})
	switch {
	case isDamaged(err):
		return false, &ManifestError{Repo: r.ref, Manifest: d, Subject: subject.Digest, Status: statusIn(err)}
	case err != nil:
		return false, err
	}
	if list.refused != nil && list.refused.Status == http.StatusUnauthorized {
		return false, explain("list the referrers of", r.name(subject), list.refused)
	}
	return slices.ContainsFunc(list.found, func(o oci.Descriptor) bool { return o.Digest == d.Digest }), nil
}
