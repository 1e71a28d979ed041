package prepare

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

const (
	tagsTime = 20 * time.Second // for all pages of a repository's list
	fewTags  = 10               // that are listed whole where none is similar
)

// TagError says that a repository has no such tag, and which it has.
type TagError struct {
	Ref  oci.Ref
	Near []string // complete references of tags that may have been meant
	Has  []string // all tags of the repository, if they are few and none is near
	Err  error    // what the registry answered
}

func (e *TagError) Error() string {
	if len(e.Near) > 0 {
		return e.Err.Error() + "; did you mean " + text.Or(e.Near) + "?"
	}
	return e.Err.Error() + "; the tags of " + e.Ref.Name() + " are " + strings.Join(e.Has, ", ")
}

func (e *TagError) Unwrap() error { return e.Err }

// Permanent reports that trying again gives the same answer.
func (e *TagError) Permanent() bool { return Permanent(e.Err) }

// Hint says what to do now.
func (e *TagError) Hint() string { return "name a tag that the repository has" }

// repositories has the tags of those in which a tag was missing, each asked for once.
type repositories struct {
	client *transport.Client
	mu     sync.Mutex
	tags   map[oci.Ref]func() []string
}

// of lists the tags that the repository of ref has, as far as its registry gives them in time.
func (r *repositories) of(ctx context.Context, ref oci.Ref) []string {
	r.mu.Lock()
	ask := r.tags[ref.Repo()]
	if ask == nil {
		ask = sync.OnceValue(func() []string {
			repo, err := r.client.Repository(ref)
			if err != nil {
				return nil
			}
			ctx, cancel := context.WithTimeout(ctx, tagsTime)
			defer cancel()
			tags, _ := repo.Tags(ctx) // what it gave helps; the answer about the image is the error
			return tags
		})
		r.tags[ref.Repo()] = ask
	}
	r.mu.Unlock()
	return ask()
}

// explain adds to the answer about a tag that is not there which tags are.
func (r *repositories) explain(ctx context.Context, ref oci.Ref, err error) error {
	answer, ok := errors.AsType[*transport.RegistryError](err)
	if !ok || ref.Tag == "" || ref.Digest != "" || answer.Status != http.StatusNotFound {
		return err
	}
	var tags []string
	for _, tag := range r.of(ctx, ref) {
		if full, err := oci.ParseRef(ref.WithTag(tag).String()); err == nil && full.Tag == tag && !attaches(tag) {
			tags = append(tags, tag)
		}
	}
	e := &TagError{Ref: ref, Err: err}
	for _, tag := range text.Nearest(ref.Tag, tags) {
		e.Near = append(e.Near, ref.WithTag(tag).String())
	}
	if len(e.Near) == 0 {
		if e.Has = text.Sorted(tags); len(tags) == 0 || len(tags) > fewTags {
			return err
		}
	}
	return e
}

// attaches reports whether a tag is one of signatures and other referrers: it begins with a digest.
func attaches(tag string) bool {
	rest, ok := strings.CutPrefix(tag, digest.SHA256.String()+"-")
	return ok && len(rest) >= 64
}
