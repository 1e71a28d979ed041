package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/probe"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

// alone does op, which asks for one thing of the repository. A registry that answers 500 to
// that and serves others is not away: what it stores of this thing is damaged. That is found
// out within seconds, and noted in the error; only an outage is waited for.
func (r *Repository) alone(ctx context.Context, op func(context.Context) error) error {
	return aside(ctx, retry.Briefly(ctx), r.serves, op)
}

// alonePush is alone for what is sent: the registry fails at that and takes others.
func (r *Repository) alonePush(ctx context.Context, op func(context.Context) error) error {
	return aside(ctx, retry.Briefly(ctx), r.takes, op)
}

// aloneOf is alone for content of a source: the error says that what is stored of it is damaged.
func (r *Repository) aloneOf(ctx context.Context, d oci.Descriptor, op func(context.Context) error) error {
	if r.sender.client.cfg.Push {
		return op(ctx)
	}
	err := r.alone(ctx, op)
	if answer, ok := errors.AsType[*RegistryError](err); ok && answer.damaged {
		if op(retry.Hastily(ctx)) == nil { // it was away, and came back just now
			return nil
		}
		answer.of = "blob"
		if oci.IsManifest(d.MediaType) || d.MediaType == "" || d.MediaType == oci.MediaTypeAnyManifest {
			answer.of = "manifest"
		}
	}
	return err
}

// aloneAsked is alone for what a source may have or not: after the first that it fails at, the
// others of the repository are asked for once, as it may fail at each.
func (r *Repository) aloneAsked(ctx context.Context, op func(context.Context) error) error {
	first := retry.Briefly(ctx)
	if r.failing.Load() {
		first = retry.Hastily(ctx)
	}
	err := aside(ctx, first, r.serves, op)
	if isDamaged(err) {
		r.failing.Store(true)
	}
	return err
}

// aside does op in the context first, and in ctx again where it is no matter of one thing.
func aside(ctx, first context.Context, others func(context.Context) bool, op func(context.Context) error) error {
	err := op(first)
	if isInternal(err) && !judged(ctx, others, err) && ctx.Err() == nil {
		err = op(ctx)
		judged(ctx, others, err)
	}
	return err
}

// judged notes in an error that it is of one thing alone, and reports whether it is.
func judged(ctx context.Context, others func(context.Context) bool, err error) bool {
	answer, ok := errors.AsType[*RegistryError](err)
	if !ok || !answer.internal() || ctx.Err() != nil || !answer.damaged && !others(ctx) {
		return false
	}
	answer.damaged = true
	return true
}

func isInternal(err error) bool {
	answer, ok := errors.AsType[*RegistryError](err)
	return ok && answer.internal()
}

// internal reports whether the registry answered that it failed, and not that it is busy, away or
// full.
func (e *RegistryError) internal() bool {
	return e.Status == http.StatusInternalServerError && !e.full && !e.readOnly && !e.proxy
}

// isDamaged reports whether an error is what [Repository.alone] noted.
func isDamaged(err error) bool {
	answer, ok := errors.AsType[*RegistryError](err)
	return ok && answer.damaged
}

// serves asks for a manifest that no repository has. To know that, a registry looks into its
// storage.
func (r *Repository) serves(ctx context.Context) bool {
	status := r.statusOfNone(ctx)
	return status != 0 && status < 500
}

// answersOthers reports whether the repository says of what it does not have that it is not there.
func (r *Repository) answersOthers(ctx context.Context) bool {
	return r.statusOfNone(ctx) == http.StatusNotFound
}

// statusOfNone is the status of the answer to that, 0 for none.
func (r *Repository) statusOfNone(ctx context.Context) int {
	none := oci.Digest([]byte("satchel: a manifest that no repository has"))
	resp, err := r.ask(retry.Once(ctx), http.MethodGet, "manifests/"+none.String(), acceptManifests())
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// takes uploads a blob of no use, and removes it.
func (r *Repository) takes(ctx context.Context) bool {
	c, d := probe.Single([]byte("satchel: does the registry take anything?"))
	if _, _, err := r.tryBlob(retry.Once(r.toPush(ctx)), c, d, oci.Ref{}); err != nil {
		return false
	}
	r.removeProbe(ctx, []string{"blobs/" + d.Digest.String()})
	return true
}

// hintRemove says how to mend what is damaged in a registry's storage.
func hintRemove(what, file string) string {
	return fmt.Sprintf("the registry's storage is damaged (after a power cut or a full disk): remove the %s there (distribution keeps it in docker/registry/v2/%s), restart the registry, then run the same command again", what, file)
}

// blobFile is where distribution keeps the bytes of a digest.
func blobFile(d digest.Digest) string {
	return fmt.Sprintf("blobs/sha256/%.2s/%s", d.Encoded(), d.Encoded())
}

// tagFile is where distribution keeps a tag.
func tagFile(repo oci.Ref, tag string) string {
	return fmt.Sprintf("repositories/%s/_manifests/tags/%s", repo.Repository, tag)
}
