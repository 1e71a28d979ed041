package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// DeleteTrouble is the sort of a refusal to delete.
type DeleteTrouble string

// The sorts of refusals.
const (
	DeleteUnsupported DeleteTrouble = "the registry deletes nothing there: deletion is switched off, not supported, or the registry is read-only"
	DeleteProtected   DeleteTrouble = "the registry protects it (an immutable tag, a retention rule, or something that refers to it)"
	DeleteDenied      DeleteTrouble = "this user may not delete there"
	DeleteKept        DeleteTrouble = "the registry says that it is deleted, and still has it"
	DeleteOther       DeleteTrouble = "the registry refuses it"
)

var deleteHints = map[DeleteTrouble]string{
	DeleteUnsupported: "have the registry allow deletion (distribution and docker-registry: storage.delete.enabled: true, and no read-only maintenance), then run the same command again",
	DeleteProtected:   "end the registry's rule for these tags, or leave them where they are",
	DeleteDenied:      "give this user the right to delete in the registry, or log in as one who has it (podman login)",
	DeleteKept:        "look into the registry's log; run the same command again later",
}

// DeleteError says that a registry does not delete a manifest or a tag, for good: it was asked.
type DeleteError struct {
	Ref     oci.Ref // with a digest or a tag
	Trouble DeleteTrouble
	Err     error // what it answered; nil for [DeleteKept]
}

func (e *DeleteError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("delete %s: %s", e.Ref, e.Trouble)
	}
	var answer *RegistryError
	if errors.As(e.Err, &answer) {
		return fmt.Sprintf("delete %s: %s: %s", e.Ref, e.Trouble, answer.Cause())
	}
	return fmt.Sprintf("delete %s: %s: %v", e.Ref, e.Trouble, e.Err)
}

func (e *DeleteError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *DeleteError) Hint() string { return deleteHints[e.Trouble] }

// Permanent is true: the registry answered.
func (e *DeleteError) Permanent() bool { return true }

// Everywhere reports whether the registry would answer the same to all of the repository.
func (e *DeleteError) Everywhere() bool {
	return e.Trouble == DeleteUnsupported || e.Trouble == DeleteDenied || e.Trouble == DeleteKept
}

// Delete has the registry forget what ref names: a manifest by its digest, and in most
// registries with it all its tags; or a tag by its name, see [Mirror.DeletesTags]. It asks
// again until it is not there. What is not there is deleted already. A refusal is a
// *[DeleteError]; any other error says that the registry did not answer.
func (m *Mirror) Delete(ctx context.Context, ref oci.Ref) error {
	r, err := m.client.Repository(ref)
	if err != nil {
		return err
	}
	if err := r.delete(ctx, ref); err != nil {
		return err
	}
	gone, err := r.patientlyFor(ctx, "what was deleted is still there", func() (bool, error) {
		there, err := r.namesSomething(ctx, ref)
		return !there, err
	})
	if err == nil && !gone {
		err = &DeleteError{Ref: ref, Trouble: DeleteKept}
	}
	return err
}

// namesSomething reports whether a reference, a digest or a tag, is there.
func (r *Repository) namesSomething(ctx context.Context, ref oci.Ref) (bool, error) {
	if ref.Digest == "" {
		named, err := r.tagDigest(ctx, ref.Tag)
		return named != "", err
	}
	var there bool
	err := r.alone(ctx, func(ctx context.Context) error {
		err := r.has(ctx, oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: ref.Digest})
		there = err == nil
		if errors.Is(err, errAbsent) {
			err = nil
		}
		return explain("check", ref.String(), err)
	})
	return there, err
}

// delete asks for it. Some token services know no action "delete": whoever may push may delete.
func (r *Repository) delete(ctx context.Context, ref oci.Ref) (err error) {
	name := ref.Tag
	if ref.Digest != "" {
		name = ref.Digest.String()
	}
	for _, actions := range [][]string{{auth.ActionPull, auth.ActionPush, auth.ActionDelete}, {auth.ActionPull, auth.ActionPush}} {
		err = r.alone(auth.AppendRepositoryScope(ctx, r.location, actions...), func(ctx context.Context) error { return r.askDelete(ctx, name) })
		switch statusIn(err) {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
			continue
		}
		break
	}
	if err == nil || statusIn(err) == http.StatusNotFound { // whether it is there is asked for
		return nil
	}
	err = explain("delete", ref.String(), err)
	if trouble := deleteTrouble(err); trouble != "" {
		return &DeleteError{Ref: ref, Trouble: trouble, Err: err}
	}
	return err
}

// askDelete sends the request. It may be sent twice: what is gone stays gone.
func (r *Repository) askDelete(ctx context.Context, name string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, r.url("manifests/"+name, nil).String(), http.NoBody)
	if err != nil {
		return err
	}
	req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	resp, err := r.sender.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 == 2 {
		reply.Drain(resp)
		return nil
	}
	return responseError(resp)
}

// deleteTrouble is the sort of a refusal, "" for an error that is none.
func deleteTrouble(err error) DeleteTrouble {
	var answer *RegistryError
	if !errors.As(err, &answer) || !answer.Permanent() && answer.Status != http.StatusNotImplemented || answer.Everywhere() {
		return ""
	}
	text := strings.ToLower(answer.Code + " " + answer.Message)
	switch {
	case strings.Contains(text, "immutable"), strings.Contains(text, "protected"):
		return DeleteProtected
	case answer.Status == http.StatusMethodNotAllowed, answer.Status == http.StatusNotImplemented, answer.Code == "UNSUPPORTED":
		return DeleteUnsupported
	case answer.Status == http.StatusPreconditionFailed, answer.Status == http.StatusConflict, answer.Status == http.StatusLocked:
		return DeleteProtected
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden:
		return DeleteDenied
	}
	return DeleteOther
}

// DeletesTags finds out whether the registry deletes a tag alone, and leaves the manifest and its
// other tags: it tries it in a repository, with an image of no content under two tags of its own,
// and removes that again. A registry that takes no pushes there does not.
func (m *Mirror) DeletesTags(ctx context.Context, repo oci.Ref) (bool, error) {
	r, err := m.client.Repository(repo)
	if err != nil {
		return false, err
	}
	forms, err := (&Artifact{Type: "application/vnd.satchel.probe.v1", Files: []File{{Name: "probe", Type: "text/plain", Body: []byte("satchel\n")}}}).forms()
	if err != nil {
		return false, err
	}
	for _, f := range forms {
		both := true
		for _, tag := range []string{deleteProbe, deleteProbe + "-2"} {
			if err := r.putForm(ctx, &f, tag); err != nil {
				if both = false; !saidNo(err) {
					return false, err
				}
			}
		}
		if !both {
			continue
		}
		alone, err := r.tagGoesAlone(ctx, f.manifest)
		refused := (*DeleteError)(nil)
		if err := m.Delete(ctx, repo.WithDigest(f.manifest.Digest)); err != nil && !errors.As(err, &refused) { // else nothing depends on it
			return false, err
		}
		return alone, err
	}
	return false, nil
}

// deleteProbe is the tag of [Mirror.DeletesTags].
const deleteProbe = ProbeTag + "-delete"

// tagGoesAlone deletes one of the two tags of a manifest, and looks at what is left.
func (r *Repository) tagGoesAlone(ctx context.Context, d oci.Descriptor) (bool, error) {
	one, other := r.ref.WithTag(deleteProbe), r.ref.WithTag(deleteProbe+"-2")
	var refused *DeleteError
	if err := r.delete(ctx, one); errors.As(err, &refused) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	gone, err := r.patientlyFor(ctx, "what was deleted is still there", func() (bool, error) {
		there, err := r.namesSomething(ctx, one)
		return !there, err
	})
	if err != nil || !gone {
		return false, err
	}
	left, err := r.tagDigest(ctx, other.Tag)
	if err != nil || left != d.Digest {
		return false, err
	}
	return r.namesSomething(ctx, r.ref.WithDigest(d.Digest))
}
