package unpack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// tell says what was done, now that it was looked at: what this run has sent, not what was
// missing when it began.
func (u *unpacking) tell(missing *transport.Missing) {
	u.tellRefused("not pushed")
	sent, out := u.mirror.Sent(), u.mirror.Refused()
	in := func(img oci.Image) bool {
		return !slices.ContainsFunc(out, func(r transport.RefusedImage) bool { return same(r.Image, img) })
	}
	var pushed, there []oci.Image
	for _, img := range u.images {
		switch {
		case !in(img):
		case u.mirror.Pushed(img):
			pushed = append(pushed, img)
		default:
			there = append(there, img)
		}
	}
	switch {
	case sent == transport.Sent{}:
		u.Info("nothing to do: %s", u.inMirror(there))
	case len(pushed) > 0:
		u.Info("pushed %s; %s in the mirror already%s", counted(pushed), wereThere(there, u.images), u.unseen(there))
	case len(missing.Images) == 0:
		u.Info("%s; %s", sentBlobs(sent, " again"), u.inMirror(there))
	default:
		u.Info("%s; %s; another run has pushed the manifests meanwhile", sentBlobs(sent, ""), u.inMirror(there))
	}
}

// sentBlobs says what was done with blobs alone: a mounted one was not sent.
func sentBlobs(sent transport.Sent, again string) string {
	var parts []string
	if sent.Blobs > 0 || sent.Mounted == 0 {
		parts = append(parts, fmt.Sprintf("pushed %s%s, %s", text.Count(sent.Blobs, "blob", "blobs"), again, bundle.FormatSize(sent.Bytes)))
	}
	if sent.Mounted > 0 {
		parts = append(parts, fmt.Sprintf("mounted %s%s from other repositories of the mirror", text.Count(sent.Mounted, "blob", "blobs"), again))
	}
	return strings.Join(parts, "; ")
}

// tellMissing says what the mirror lacks, and of what it refuses to say whether it has it.
func (u *unpacking) tellMissing(missing *transport.Missing) {
	unknown := func(img oci.Image) bool {
		return slices.ContainsFunc(missing.Unknown, func(o oci.Image) bool { return same(o, img) })
	}
	absent := slices.DeleteFunc(slices.Clone(missing.Images), unknown)
	present := u.present(missing)
	if len(absent)+len(present) > 0 {
		u.Info("in the mirror: %s; missing: %s", counted(present), counted(absent))
	}
	if len(missing.Unknown) > 0 {
		u.Info("the mirror refuses to say whether it has %s: whether it takes a push is tried now", counted(missing.Unknown))
	}
	for _, img := range missing.Images {
		if unknown(img) {
			u.Debug("not known whether it is in the mirror: %s", img.Source)
			continue
		}
		u.Debug("not in the mirror: %s", img.Source)
	}
	if len(missing.Images) > 0 {
		return
	}
	refused := 0
	for _, d := range missing.Blobs {
		if d.Unknown {
			refused++
		}
	}
	if n := len(missing.Blobs) - refused; n > 0 {
		u.Warn("the mirror has the manifests of all images, but %s missing or wrong there", text.Count(n, "blob is", "blobs are"))
	}
	if refused > 0 {
		u.Warn("the mirror has the manifests of all images, and refuses to say whether it has %s of them", text.Count(refused, "blob", "blobs"))
	}
}

// present lists the images that are not missing.
func (u *unpacking) present(missing *transport.Missing) []oci.Image {
	type key struct {
		root, subject digest.Digest
		source        oci.Ref
	}
	absent := map[key]bool{}
	for _, img := range missing.Images {
		absent[key{img.Root.Digest, img.Subject, img.Source}] = true
	}
	return slices.DeleteFunc(slices.Clone(u.images), func(img oci.Image) bool { return absent[key{img.Root.Digest, img.Subject, img.Source}] })
}

// same reports whether two are one image of an inventory.
func same(a, b oci.Image) bool {
	return a.Root.Digest == b.Root.Digest && a.Subject == b.Subject && a.Source == b.Source
}

// attached is how many of the images are attached to others.
func attached(list []oci.Image) (n int) {
	for _, img := range list {
		if img.Subject != "" {
			n++
		}
	}
	return n
}

// counted counts images, and what is attached to them.
func counted(list []oci.Image) string {
	n := attached(list)
	return text.Images(len(list)-n, n)
}

// wereThere counts some of all images, by a number alone where nothing is attached to any, with
// its verb.
func wereThere(some, all []oci.Image) string {
	switch {
	case attached(all) == 0:
		return text.Count(len(some), "was", "were")
	case len(some) == 1:
		return counted(some) + " was"
	}
	return counted(some) + " were"
}

// unseen says, after other words of these images, that their blobs were not looked at.
func (u *unpacking) unseen(there []oci.Image) string {
	if u.Verify != transport.VerifyManifests || u.looked || len(there) == 0 {
		return ""
	}
	return "; of these, blobs were not looked at (--verify none)"
}

// inMirror says that these images, all that there are, are in the mirror, as far as was looked.
func (u *unpacking) inMirror(list []oci.Image) string {
	switch {
	case len(u.images) == 0 && len(u.lost.Images) > 0:
		return "no image of the bundle is whole without drive " + text.And(u.lost.Lost)
	case u.Verify == transport.VerifyManifests && u.looked:
		return "all manifests are in the mirror, of " + counted(list) + "; blobs were looked at as far as said above"
	case u.Verify == transport.VerifyManifests:
		return "all manifests are in the mirror, of " + counted(list) + "; blobs were not looked at (--verify none)"
	case attached(list) > 0:
		return "all is in the mirror: " + counted(list)
	case len(list) == 1:
		return "the image is in the mirror"
	}
	return fmt.Sprintf("all %d images are in the mirror", len(list))
}
