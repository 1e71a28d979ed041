package unpack

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// UnsignedError says that nodes will refuse images of a bundle, because the mirror lacks
// signatures that they demand. All else was done.
type UnsignedError struct {
	Mirror string
	Images []manifests.Unsigned
	Wrote  bool // the YAML, which names them
}

func (e *UnsignedError) Error() string {
	n := map[digest.Digest]bool{}
	for _, u := range e.Images {
		n[u.Image.Root.Digest] = true
	}
	return fmt.Sprintf("nodes will refuse %s: signatures are missing in %s, or wrong, such as that of %s", text.Count(len(n), "image", "images"), e.Mirror, e.Images[0].Image.Describe())
}

// Hint says what to do now.
func (e *UnsignedError) Hint() string {
	hint := "carry the signatures with a later bundle, as the gap list of this one says, or pack the release again from a registry that has them"
	if e.Wrote {
		hint += "; until then, the step about rules in APPLY.md says what not to do"
	}
	return hint
}

// Permanent reports that the same answer comes again.
func (e *UnsignedError) Permanent() bool { return true }

// checkSigned looks at the signatures that nodes demand: as the mirror has them, or, if it is
// not to be asked, as the bundle does.
func (u *unpacking) checkSigned(ctx context.Context) error {
	inv := u.r.Inventory()
	where, asked := u.signaturesInMirror, u.Site.Mirror.String()
	if u.Unasked || u.DryRun {
		where, asked = manifests.CarriedSignatures(u.images, u.src), "the bundle"
	}
	found, err := manifests.CheckSignatures(ctx, inv, u.src, u.Site.Cluster, where, u.Parallel)
	if err != nil {
		return err
	}
	if found.Checked > 0 {
		u.Debug("signatures that nodes demand: looked at those of %s in %s", text.Count(found.Checked, "manifest", "manifests"), asked)
	}
	for _, why := range found.Unchecked {
		u.Debug("signatures not checked for %s", why)
	}
	for i, one := range found.Unsigned {
		if i == maxUnsigned && u.Out != nil {
			u.Warn("not signed as nodes demand it: %d more; APPLY.md has all", len(found.Unsigned)-i)
			break
		}
		u.Warn("not signed as nodes demand it: %s", text.Joined(u.unsignedLine(one)))
	}
	u.Site.Unsigned, u.Site.SignaturesUnchecked = found.Unsigned, found.Unchecked
	if u.Out == nil || len(found.Unsigned)+len(found.Unchecked) == 0 {
		return nil
	}
	return u.emit()
}

// maxUnsigned is how many images without a signature are reported, where APPLY.md has all.
const maxUnsigned = 10

func (u *unpacking) unsignedLine(one manifests.Unsigned) string {
	what := one.Image.Describe()
	if one.Platform != "" {
		what += " for " + one.Platform
	}
	why := one.Err
	if errors.Is(why, manifests.ErrUnsigned) {
		why = fmt.Errorf("%s is missing", u.Site.Mirror.Repo(one.Image).WithTag(manifests.SignatureTag(one.Manifest)))
	}
	return fmt.Sprintf("%s: %v; %s demands it (%s)", what, why, one.Policy, one.When)
}

// refused is the error for images that nodes will refuse; nil if there are none.
func (u *unpacking) refused() error {
	if len(u.Site.Unsigned) == 0 {
		return nil
	}
	return &UnsignedError{u.Site.Mirror.String(), u.Site.Unsigned, u.wrote}
}

// signaturesInMirror gives what is under the tag of the signatures of a manifest, in the
// repository that serves the image. A list of referrers is not what nodes look at. Only 404 is
// no signature: with any other answer a pull fails.
func (u *unpacking) signaturesInMirror(ctx context.Context, img oci.Image, d digest.Digest) ([]manifests.ImageSignature, error) {
	root, src, err := u.client.Resolve(ctx, u.Site.Mirror.Repo(img).WithTag(manifests.SignatureTag(d)))
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	var list []manifests.ImageSignature
	if err == nil {
		list, err = manifests.ReadImageSignatures(ctx, root, src)
	}
	var final interface{ Permanent() bool }
	if unusable := (*manifests.RefusedSignatureError)(nil); err != nil && !errors.As(err, &unusable) && errors.As(err, &final) && final.Permanent() {
		return nil, &manifests.RefusedSignatureError{Why: "nodes cannot read it: " + err.Error()}
	}
	return list, err
}

// status is that of a registry's answer which is an error; 0 for any other error.
func status(err error) int {
	var answer *transport.RegistryError
	if errors.As(err, &answer) {
		return answer.Status
	}
	return 0
}
