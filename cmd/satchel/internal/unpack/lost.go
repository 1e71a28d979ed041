package unpack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// LostError says that a run has pushed all but what drives have that are not here, or what a supplement goes without.
type LostError struct {
	Mirror string
	Lost   gaps.List // at least one image
	Gaps   bool      // the supplement goes without some of them
}

func (e *LostError) Error() string {
	var why []string
	if len(e.Lost.Lost) > 0 {
		why = append(why, "without drive "+text.And(e.Lost.Lost))
	}
	if e.Gaps {
		why = append(why, "not all that the bundle lost is in its supplement")
	}
	return fmt.Sprintf("%s of the bundle %s not in %s: %s", text.Count(len(e.Lost.Images), "image", "images"),
		map[bool]string{true: "is", false: "are"}[len(e.Lost.Images) == 1], e.Mirror, strings.Join(why, ", and "))
}

// Hint says what to do now.
func (e *LostError) Hint() string {
	if !e.Gaps {
		return ""
	}
	return "have another supplement made when the sources have these images again, and unpack that one with the damaged bundle"
}

// withoutLost takes what needs a drive that nobody will bring out of what the mirror is to have.
func (u *unpacking) withoutLost(ctx context.Context, missing *transport.Missing) (*transport.Missing, error) {
	away, err := u.lostBlobs(ctx, missing.Blobs)
	if err != nil || len(away) == 0 {
		return missing, err
	}
	graph, err := oci.ReadGraph(ctx, u.images, func(oci.Image) (oci.Source, error) { return u.src, nil }, u.Parallel)
	if err != nil {
		return nil, err
	}
	list, gone := gaps.Without(graph, func(d oci.Descriptor) error { return away[d.Digest] })
	list.Lost = u.lost.Lost
	list.Sort()
	u.lost, u.images = list, slices.DeleteFunc(slices.Clone(u.images), gone)
	for _, g := range list.Images {
		u.Warn("not pushed: %s, because %s", g.Image.Describe(), g.Reason())
	}
	return u.findMissing(ctx)
}

// withoutSupplied notes the images that neither the damaged bundle nor its supplement has, and the mirror lacks too:
// another bundle may have brought them.
func (u *unpacking) withoutSupplied(ctx context.Context) error {
	if u.r.Lacks() == 0 {
		return nil
	}
	for _, g := range u.r.Inventory().Gaps {
		root := g.Image.Root.Digest
		if root == "" {
			continue // the damaged bundle never had it
		}
		has, err := u.mirror.Has(ctx, u.Site.Mirror.Repo(g.Image).WithDigest(root))
		if err != nil {
			return err
		}
		if !has {
			u.lost.Add(&g)
			u.supplementGaps = true
		}
	}
	return nil
}

// lostBlobs gives, of blobs that the mirror lacks, those whose drive nobody will bring, each with the reason.
func (u *unpacking) lostBlobs(ctx context.Context, list []transport.Delivery) (map[digest.Digest]error, error) {
	_, away := u.atHand(list)
	var need []bundle.DriveLabel
	for _, d := range u.r.Drives() {
		if slices.ContainsFunc(away, func(b transport.Delivery) bool { return u.r.DriveOf(b.Blob) == d.DriveLabel }) {
			need = append(need, d.DriveLabel)
		}
	}
	lost := need
	if u.Drives != nil && len(need) > 0 {
		var err error
		if lost, err = u.Drives.Lost(ctx, need); err != nil {
			return nil, err
		}
	}
	u.lost.Lost = bundle.Labels(lost)
	why := map[digest.Digest]error{}
	for _, b := range away {
		if i := slices.IndexFunc(lost, func(d bundle.DriveLabel) bool { return d == u.r.DriveOf(b.Blob) }); i >= 0 && !u.r.Here(b.Blob) {
			why[b.Blob.Digest] = gaps.OnDrive(lost[i])
		}
	}
	return why, nil
}

// lacksDrives is a *[LostError] if images were left out because their drive is lost.
func (u *unpacking) lacksDrives() error {
	if len(u.lost.Images) == 0 {
		return nil
	}
	for _, inc := range u.lost.Incompletes() {
		u.Warn("%s", text.OneLine(inc.String()))
	}
	for _, c := range offering(u.images, u.lost.Images) {
		u.Warn("catalog %s is in the mirror all the same, and offers these operators to clusters that use it", c)
	}
	if u.Out != nil {
		u.Info("the cluster's YAML is not written: the mirror does not have all images")
	}
	return &LostError{u.Site.Mirror.String(), u.lost, u.supplementGaps}
}

// offering gives the catalogs among images that offer operators of which images are lost.
func offering(images []oci.Image, lost []oci.Gap) (catalogs []string) {
	for _, img := range images {
		name := img.Configured().String()
		if img.Origin != manifests.OriginCatalog || img.Subject != "" || slices.Contains(catalogs, name) {
			continue
		}
		if slices.ContainsFunc(lost, func(g oci.Gap) bool {
			return slices.ContainsFunc(g.Image.Reasons, func(r oci.Reason) bool { return r.Kind == manifests.KindOperator && r.Catalog == name })
		}) {
			catalogs = append(catalogs, name)
		}
	}
	return catalogs
}
