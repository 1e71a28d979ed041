package sigstore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Unsigned is a manifest that nodes will refuse.
type Unsigned struct {
	Image    oci.Image
	Manifest digest.Digest // that the signature is missing for
	Platform string        // of the nodes that pull it; "" where the image has no others
	Policy   string        // the object that demands the signature
	When     string        // the releases under which it counts
	// Stages are those releases: the one that runs and those that are to come; the zero value is the
	// cluster as it is, where that release is not known. None: not known.
	Stages []semver.Version
	At     string // the address, of several that nodes try; "" for the only one
	// Namespace is the one whose pods alone are refused the image, "" for all, and Unused that none
	// of them names its repository now. Clusters are those that alone refuse it, nil for all.
	Namespace string
	Unused    bool
	Clusters  []string
	Err       error // what is wrong; [ErrNone] where there is no signature
}

// Everywhere reports whether every pod of every cluster is refused the image.
func (u Unsigned) Everywhere() bool { return u.Namespace == "" && len(u.Clusters) == 0 }

// For says for people who alone is refused the image; "" for every pod.
func (u Unsigned) For() string {
	var parts []string
	if u.Namespace != "" {
		parts = append(parts, "pods of the namespace "+u.Namespace)
	}
	if len(u.Clusters) > 0 {
		parts = append(parts, "the cluster "+strings.Join(u.Clusters, " and the cluster "))
	}
	who := strings.Join(parts, " of ")
	if u.Unused {
		who += ", if they come to use it"
	}
	return who
}

// ErrAbsent says that the image itself is not at a place: nodes ask the next one then.
var ErrAbsent = errors.New("the image is not there")

// Where gives the signatures that nodes find for a manifest of an image at one place; none if
// there are none, [ErrAbsent] if the manifest is not there either. What is there and makes nodes
// fail is an *[UnusableError].
type Where func(ctx context.Context, img oci.Image, manifest digest.Digest) ([]Signature, error)

// UnusableError says that something is under the tag of signatures that nodes cannot read.
type UnusableError struct{ Why string }

func (e *UnusableError) Error() string { return e.Why }

// Permanent reports that the same answer comes again.
func (e *UnusableError) Permanent() bool { return true }

// demand is one manifest that nodes verify before they use an image.
type demand struct {
	image    oci.Image
	manifest digest.Digest
	platform string
	policies []Demanded
}

// Result is what was found out about the signatures of images.
type Result struct {
	Checked   int        // manifests that a policy covers
	Unsigned  []Unsigned // sorted by image
	Unchecked []string   // policies that cover some of them and that satchel cannot judge by, with the reason
	Sources   []string   // repositories of the images that a policy covers, sorted
}

// Check looks at the signature of each manifest that nodes of a cluster on that way may
// demand one for. src gives the indexes of the images.
func Check(ctx context.Context, way *Way, images []oci.Image, src oci.Source, where Where, parallel int) (*Result, error) {
	list, err := demands(ctx, way, images, src)
	if err != nil {
		return nil, err
	}
	res := &Result{Checked: len(list)}
	for _, d := range list {
		res.Sources = append(res.Sources, d.image.Source.Name())
		for _, p := range d.policies {
			if why := p.Policy.Unchecked; why != "" {
				res.Unchecked = append(res.Unchecked, p.Policy.String()+": "+why)
			}
		}
	}
	res.Unchecked, res.Sources = text.Sorted(res.Unchecked), text.Sorted(res.Sources)
	found := make([][]Unsigned, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, parallel))
	for i, d := range list {
		g.Go(func() (err error) {
			found[i], err = d.check(ctx, where)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("check signatures: %w", err)
	}
	res.Unsigned = slices.Concat(found...)
	slices.SortStableFunc(res.Unsigned, func(a, b Unsigned) int {
		return cmp.Or(a.Image.Compare(b.Image), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Policy, b.Policy))
	})
	return res, nil
}

// check gives what the manifest lacks, one for each policy.
func (d demand) check(ctx context.Context, where Where) (list []Unsigned, err error) {
	signatures, err := where(ctx, d.image, d.manifest)
	var unusable *UnusableError
	switch {
	case errors.Is(err, ErrAbsent):
		return nil, nil
	case err != nil && !errors.As(err, &unusable):
		return nil, err
	}
	for _, p := range d.policies {
		if p.Policy.Unchecked != "" {
			continue
		}
		var wrong error = unusable
		if unusable == nil {
			wrong = p.Policy.Verify(pulledAs(d.image), d.manifest, signatures)
		}
		if wrong != nil {
			list = append(list, Unsigned{Image: d.image, Manifest: d.manifest, Platform: d.platform, Policy: p.Policy.String(), When: p.When(), Stages: p.stages, Namespace: p.Policy.binds(), Unused: p.Unused && p.Policy.binds() != "", Err: wrong})
		}
	}
	return list, nil
}

// demands lists the manifests that a policy of the way covers.
func demands(ctx context.Context, way *Way, images []oci.Image, src oci.Source) (list []demand, err error) {
	for _, img := range images {
		if !pullable(img) {
			continue
		}
		policies := way.on(img, pulledAs(img))
		if len(policies) == 0 {
			continue
		}
		picked, err := picked(ctx, img, src)
		if err != nil {
			return nil, fmt.Errorf("find the manifests that nodes pull of %s: %w", img.Source, err)
		}
		for _, c := range picked {
			list = append(list, demand{img, c.digest, c.platform, policies})
		}
	}
	return list, nil
}

// Demands reports whether a policy of the way covers an image.
func (w *Way) Demands(img oci.Image) bool {
	return pullable(img) && len(w.on(img, pulledAs(img))) > 0
}

// pullable leaves out what no node pulls by its own name: catalogs are named by their place in
// the mirror, what was built is nowhere else, and what is for no platform is no image.
func pullable(img oci.Image) bool {
	return img.Subject == "" && !img.Built && img.Origin != origin.Catalog && (len(img.Platforms) > 0 || img.Origin == origin.Release)
}

// pulledAs is how pods name an image: a release names its own by digest.
func pulledAs(img oci.Image) oci.Ref {
	if img.Origin == origin.Release || img.Source.Tag == "" {
		return img.Source.WithDigest(img.Root.Digest)
	}
	return img.Source
}

// child is a manifest that nodes of a platform pick.
type child struct {
	digest   digest.Digest
	platform string
}

// picked lists the manifests that nodes pick of an image: of an index the first for each
// platform of Linux that is carried, and not the index itself (containers/image, ChooseInstance).
func picked(ctx context.Context, img oci.Image, src oci.Source) (list []child, err error) {
	if !oci.IsIndex(img.Root.MediaType) {
		return []child{{img.Root.Digest, ""}}, nil
	}
	children, err := oci.ReadChildren(ctx, src, img.Root)
	if err != nil {
		return nil, err
	}
	for _, c := range children {
		platform := oci.PlatformString(c.Platform)
		known := slices.ContainsFunc(list, func(have child) bool { return have.platform == platform })
		if strings.HasPrefix(platform, "linux/") && !known && !slices.Contains(img.Omitted, c.Digest) {
			list = append(list, child{c.Digest, platform})
		}
	}
	return list, nil
}

const (
	// maxSignature is how many bytes of a signature nodes read (containers/image, iolimits).
	maxSignature = 4 << 20
	// Nodes have no limits for all entries of a manifest together. Whoever signs has a few, of less
	// than a kilobyte each; anybody may write to a registry's tag.
	maxEntries  = 256
	maxAllBytes = 16 << 20
)

// Read reads what is under the tag of signatures, as strictly as nodes do: whatever is there
// must be readable.
func Read(ctx context.Context, d oci.Descriptor, src oci.Source) ([]Signature, error) {
	if d.MediaType != oci.MediaTypeManifest {
		return nil, &UnusableError{fmt.Sprintf("what has the tag of the signatures is a %.100q, not a manifest of OCI", d.MediaType)}
	}
	body, err := oci.ReadManifest(ctx, src, d)
	if err != nil {
		return nil, err
	}
	var m struct {
		Layers    []oci.Descriptor `json:"layers"`
		Manifests json.RawMessage  `json:"manifests"`
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Manifests != nil {
		return nil, &UnusableError{"what has the tag of the signatures is not a manifest that nodes can read"}
	}
	if err := checkEntries(m.Layers); err != nil {
		return nil, err
	}
	var list []Signature
	for _, l := range m.Layers {
		payload, err := oci.ReadBlob(ctx, src, l, maxSignature)
		if err != nil {
			return nil, err
		}
		list = append(list, Signature{l.MediaType, l.Annotations, payload})
	}
	return list, nil
}

// checkEntries refuses what nodes, or satchel, do not read.
func checkEntries(entries []oci.Descriptor) error {
	const again = "; sign the image again, so that the tag has its signatures alone"
	if len(entries) > maxEntries {
		return &UnusableError{fmt.Sprintf("the tag of the signatures has %d entries, more than the %d that satchel reads", len(entries), maxEntries) + again}
	}
	var all int64
	for _, l := range entries {
		if l.Size > maxSignature {
			return &UnusableError{fmt.Sprintf("a signature has %d bytes, more than the %d that nodes read", l.Size, maxSignature)}
		}
		all += max(0, l.Size)
	}
	if all > maxAllBytes {
		return &UnusableError{fmt.Sprintf("the entries under the tag of the signatures have %d bytes, more than the %d that satchel reads", all, maxAllBytes) + again}
	}
	return nil
}

// Carried gives the signatures that are among images, such as those of a bundle. They count only
// in the repository of the mirror that their image goes to.
func Carried(images []oci.Image, src oci.Source) Where {
	type key struct {
		subject digest.Digest
		path    string
	}
	by := map[key]oci.Image{}
	for _, img := range images {
		if img.Subject != "" && slices.Contains(img.Tags, Tag(img.Subject)) {
			by[key{img.Subject, img.MirrorPath()}] = img
		}
	}
	return func(ctx context.Context, img oci.Image, manifest digest.Digest) ([]Signature, error) {
		signature, ok := by[key{manifest, img.MirrorPath()}]
		if !ok {
			return nil, nil
		}
		return Read(ctx, signature.Root, src)
	}
}
