package unpack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// Attachments says what becomes of signatures, attestations and SBOMs.
type Attachments string

// What becomes of them.
const (
	AttachmentsUsual    Attachments = ""         // required is what cosign made under tags, the rest is optional
	AttachmentsRequired Attachments = "required" // the mirror must take all of them
	AttachmentsOptional Attachments = "optional" // what the mirror refuses is left out
	AttachmentsNone     Attachments = "none"     // none is pushed
)

// attachments chooses what is pushed of an inventory, and says which images may be left
// out: what policies of clusters need is not among them.
func (u *unpacking) attachments(inv *oci.Inventory) {
	u.images = inv.Images
	switch u.Attachments {
	case AttachmentsNone:
		u.images = slices.DeleteFunc(slices.Clone(inv.Images), func(img oci.Image) bool { return img.Subject != "" })
		if n := len(inv.Images) - len(u.images); n > 0 {
			u.Warn("left out, as you asked for: %s", text.Attached(n))
		}
		return
	case AttachmentsRequired:
		return
	case AttachmentsOptional:
		u.mirror.Optional = func(img oci.Image) bool { return img.Subject != "" }
		return
	}
	u.mirror.Optional = func(img oci.Image) bool { return img.Subject != "" && !byCosign(img) }
}

// byCosign reports whether an attachment is a signature or attestation under a tag of
// cosign. Those are what the policies of nodes read; they do not look at referrers.
func byCosign(img oci.Image) bool {
	return slices.ContainsFunc(img.Tags, func(tag string) bool { return strings.HasSuffix(tag, ".sig") || strings.HasSuffix(tag, ".att") })
}

// probeAttachments finds out before the first layer whether the mirror takes what is
// attached to images.
func (u *unpacking) probeAttachments(ctx context.Context, images []oci.Image) error {
	err := u.mirror.ProbeAttachments(ctx, u.src, images)
	var p *transport.ProbeError
	if errors.As(err, &p) {
		return err
	}
	if err != nil {
		return fmt.Errorf("check whether the mirror accepts attachments: %w", err)
	}
	if refused := u.mirror.Refused(); len(refused) > 0 {
		u.Warn("the mirror refuses %s, which will be left out", text.Attached(len(refused)))
	}
	return nil
}

// confirm asks the mirror for everything, as a node would.
func (u *unpacking) confirm(ctx context.Context) error {
	return u.unsaid(u.mirror.Confirm(ctx, u.src, u.images))
}

// unsaid makes a warning of it that the mirror refuses to say whether signatures are there,
// where attachments may be left out: once, not again at the end.
func (u *unpacking) unsaid(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || u.Attachments != AttachmentsOptional && u.Attachments != AttachmentsNone {
		return err
	}
	for _, e := range joined.Unwrap() {
		if unsaid := (*transport.SignatureError)(nil); !errors.As(e, &unsaid) {
			return err
		}
	}
	if !u.unsigned {
		u.unsigned = true
		for _, e := range joined.Unwrap() {
			u.Warn("%v", e)
		}
	}
	return nil
}

// tellRefused lists what was left out, and what that means.
func (u *unpacking) tellRefused(what string) {
	for _, r := range u.mirror.Refused() {
		u.Warn(what+": %s, attached to %s: %v", r.Image.Source, r.Image.Subject, r.Err)
	}
}
