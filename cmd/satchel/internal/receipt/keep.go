package receipt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/transport"
)

// MirrorError says that the mirror does not keep a receipt.
type MirrorError struct {
	Done bool // all else is done: the images are in the mirror
	Err  error
}

func (e *MirrorError) Error() string {
	if e.Done {
		return fmt.Sprintf("the images are in the mirror, and the receipt is not: %v", e.Err)
	}
	return fmt.Sprintf("keep a receipt in the mirror: %v", e.Err)
}

func (e *MirrorError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *MirrorError) Hint() string {
	var answer *transport.RegistryError
	switch {
	case e.Done && errors.As(e.Err, &answer) && answer.Status == http.StatusMethodNotAllowed:
		return "this registry is only read: it has the images, and takes no receipt; keep receipts on this host alone"
	case e.Done:
		return "run the same command again: it pushes the receipt alone; or keep receipts on this host alone"
	}
	return "create that repository in the registry, or allow this user to push there; or keep receipts on this host alone"
}

// Seal encodes and signs a receipt. Nothing is kept yet.
func (k *Keeper) Seal(ctx context.Context, r *Receipt) (*Kept, error) {
	body, err := r.Encode()
	if err != nil {
		return nil, err
	}
	one, err := newKept("the receipt of bundle "+r.Bundle, body, nil, nobody)
	if err != nil {
		return nil, err
	}
	one.Own = true
	_, err = k.Sign(ctx, one)
	return one, err
}

// Sign adds the signatures of those signers whose signature a receipt lacks, and reports
// whether there are any: it must be kept again then.
func (k *Keeper) Sign(ctx context.Context, one *Kept) (more bool, err error) {
	body, err := one.Body()
	if err != nil {
		return false, err
	}
	for _, s := range one.unsigned(body, k.Signers) {
		sig, err := s.Sign(ctx, bundle.ReceiptNamespace, body)
		if err != nil {
			return more, fmt.Errorf("sign the receipt: %w", err)
		}
		one.signatures, more = append(one.signatures, sig), true
	}
	if more {
		one.Tag = "" // what has that tag lacks them
	}
	return more, nil
}

// ToHost keeps a receipt on this host.
func (k *Keeper) ToHost(one *Kept) error {
	if k.Dir == "" {
		return nil
	}
	dir := ownDone
	if one.Head.State == Intent {
		dir = ownIntents
	}
	body, err := one.Body()
	if err == nil {
		err = writeKept(filepath.Join(k.Dir, dir, ownFile(one.Head.Bundle, one.Digest)), body, one.signatures)
	}
	if err != nil {
		return fmt.Errorf("keep the receipt on this host: %w", err)
	}
	return nil
}

// ToMirror keeps a receipt in the mirror and reads it back: an intent under a tag of its
// own, the first receipt of a bundle under the bundle's ID, a later one under the next
// free of ID.2, ID.3 and so on. The error is a *[MirrorError].
func (k *Keeper) ToMirror(ctx context.Context, h *History, one *Kept) error {
	if k.Mirror == nil {
		return nil
	}
	body, err := one.Body()
	if err != nil {
		return err
	}
	tag := intentTag(one.Head.Bundle, one.Digest)
	if one.Head.State == Done {
		if tag, err = k.free(ctx, h, one.Head.Bundle, body); err != nil {
			return &MirrorError{true, err}
		}
	}
	a := artifact(body, one.signatures)
	if err := k.Mirror.PutArtifact(ctx, k.Repo.WithTag(tag), a); err != nil {
		return &MirrorError{one.Head.State == Done, err}
	}
	one.Tag, h.tags[tag], one.places = tag, true, append(one.places, mirrored{tag, a.Digest})
	if k.Dir != "" {
		_ = writeKept(k.copyOf(tag), body, one.signatures) // else it is fetched
	}
	return nil
}

// artifact is a receipt as the mirror has it.
func artifact(body []byte, signatures [][]byte) *transport.Artifact {
	a := &transport.Artifact{Type: mediaType, Files: []transport.File{{Name: File, Type: mediaType + "+json", Body: body}}}
	for i, sig := range signatures {
		a.Files = append(a.Files, transport.File{Name: SignatureFile(File, i), Type: "application/vnd.openssh.signature", Body: sig})
	}
	return a
}

// mediaType is that of receipts in registries.
const mediaType = "application/vnd.satchel.receipt.v1"

// mostTried is how many tags are looked at that the mirror did not list.
const mostTried = 50

// free is the next tag for a receipt of a bundle. It is looked at once more: the list may be
// old, or refused, and where tags move another receipt would be lost.
func (k *Keeper) free(ctx context.Context, h *History, bundle string, body []byte) (string, error) {
	for n, tried := 1, 0; tried < mostTried; n++ {
		tag := bundle
		if n > 1 {
			tag = fmt.Sprintf("%s.%d", bundle, n)
		}
		if h.tags[tag] {
			continue
		}
		tried++
		a, err := k.Mirror.Artifact(ctx, k.Repo.WithTag(tag), MaxSize+maxSignature, nil)
		var other *transport.ArtifactError
		if err != nil && !errors.As(err, &other) || err == nil && (a == nil || bytes.Equal(a.File(File), body) && len(signaturesIn(a)) == 0) {
			return tag, nil // what stands in the way shows when it is pushed
		}
		h.tags[tag] = true
	}
	return "", fmt.Errorf("find a tag for the receipt of bundle %s: %s has something under %d tags that it does not list", bundle, k.Repo.Name(), mostTried)
}

// Add counts a receipt that was kept just now.
func (h *History) Add(one *Kept) {
	if one.Head.State == Intent {
		h.Intents = append(h.Intents, one)
		return
	}
	h.Done = append([]*Kept{one}, h.Done...)
}

// DropIntents removes own intents from this host that a receipt which is kept here ends.
func (k *Keeper) DropIntents(done *Kept) {
	if k.Dir == "" {
		return
	}
	for _, d := range done.Head.Closes {
		file := filepath.Join(k.Dir, ownIntents, ownFile(done.Head.Bundle, d))
		_ = os.Remove(file) // if it stays, the receipt says that it has ended
		for i := range maxSigners {
			if os.Remove(SignatureFile(file, i)) != nil {
				break // the same
			}
		}
	}
}
