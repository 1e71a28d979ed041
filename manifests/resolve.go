package manifests

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// parallelImages is how many images are resolved at a time.
const parallelImages = 8

// Images finds images in registries, and what is published beside them.
type Images interface {
	// Resolve gives the manifest that ref names now, and the source of its
	// content. A ref with a digest has no tag.
	Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error)
	// Derived gives what fill writes for key, or wrote for it at an earlier time:
	// content that was worked out of an image and is always the same for the
	// same key. The caller closes the reader.
	Derived(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error)
	// Fetch gets a small file over HTTP(S), following redirects; one of more than
	// limit bytes is an error. A status other than 200 is a *[FetchError].
	Fetch(ctx context.Context, url string, limit int64) ([]byte, error)
	// Put stores content that was made for the bundle, a manifest or a blob, until
	// it is packed.
	Put(mediaType string, body []byte) (oci.Descriptor, error)
	// PutFrom is Put for what fill writes, of any size.
	PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error)
	// Note tells the user what is worth knowing and no error, a line each time.
	Note(text string)
}

// FetchError says that a server answered and did not give a file.
type FetchError struct {
	URL    string
	Status int
}

func (e *FetchError) Error() string {
	return fmt.Sprintf("get %s: the server answers %d %s", e.URL, e.Status, http.StatusText(e.Status))
}

// Resolve pins what cfg asks for to digests. It asks [imageset.Config.Carried] first, and
// from, for each reference once, several at a time. An image whose reference has
// a digest keeps that digest, and the tag beside it. The inventory is sorted and
// valid; what several parts of cfg ask for is in it once, with the tags and
// reasons of all. The error joins a *[oci.Gap] for each image that cannot be
// had, and the inventory then has the others; a configuration that asks for no
// image at all is a *[imageset.ConfigError], and a release that is not signed a
// *[SignatureError].
func Resolve(ctx context.Context, cfg *imageset.Config, from Images) (*oci.Inventory, error) {
	if err := cfg.CheckSupported(); err != nil {
		return nil, err
	}
	if err := cfg.CheckNotEmpty(); err != nil {
		return nil, err
	}
	from = newPins(from)
	all, gaps, err := wantedOf(ctx, cfg, from)
	if err != nil {
		return nil, err
	}
	some, gaps, err := leaveOutBlocked(cfg, all.images, gaps, from)
	if err != nil {
		return nil, err
	}
	images, err := find(ctx, unite(some), from)
	if err != nil {
		return nil, err
	}
	agree(images)
	tellLacking(images, from.Note)
	inv := &oci.Inventory{Documents: all.documents}
	for _, f := range images {
		if f.err != nil {
			gaps = append(gaps, &oci.Gap{Image: f.img, Err: f.err})
		} else {
			inv.Images = append(inv.Images, f.img)
		}
	}
	tagPods(inv.Images, from.Note)
	inv.Sort()
	return inv, oci.JoinGaps(gaps)
}

// find pins the images of the list, and then finds what of each is carried. An error
// of one is in its place.
func find(ctx context.Context, list []wanted, from Images) ([]found, error) {
	images := make([]found, len(list))
	err := each(ctx, len(list), func(i int) { images[i] = list[i].pin(ctx, from) })
	if err != nil {
		return nil, err
	}
	forPods(images)
	images = withoutPods(images)
	sparse := choosy(images)
	return images, each(ctx, len(images), func(i int) {
		if f := &images[i]; f.err == nil && !f.img.Built {
			f.err = f.choose(ctx, sparse)
		}
	})
}

// each calls fn for every number below n, several at a time; its error is the context's.
func each(ctx context.Context, n int, fn func(int)) error {
	var g errgroup.Group
	g.SetLimit(parallelImages)
	for i := 0; i < n && ctx.Err() == nil; i++ {
		g.Go(func() error {
			fn(i)
			return nil
		})
	}
	_ = g.Wait() // fn has none
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("resolve images: %w", err)
	}
	return nil
}

// leaveOutBlocked takes out what mirror.blockedImages blocks.
func leaveOutBlocked(c *imageset.Config, list []wanted, gaps []*oci.Gap, from Images) ([]wanted, []*oci.Gap, error) {
	b, err := newBlock(c)
	if err != nil {
		return nil, nil, err
	}
	all := len(list) + len(gaps)
	list, gaps = b.sift(list, gaps)
	b.report(from.Note)
	return list, gaps, b.check(c, all, len(list)+len(gaps))
}

// asked is what a part of the configuration asks for.
type asked struct {
	images     []wanted
	documents  []oci.Document        // for the far side; what they reach was given to [Images.Put]
	signatures []documents.Signature // of releases; one document has all
}

// wanted lists what each part of the configuration asks for, and what of it
// cannot be had. Its error is one that nothing can go on with.
func wantedOf(ctx context.Context, c *imageset.Config, from Images) (all asked, gaps []*oci.Gap, err error) {
	for _, part := range []func(context.Context, *imageset.Config, Images) (asked, error){
		releaseImages,
		channelImages,
		graphImage,
		operators,
		additionalImages,
		charts,
		podImages,
		catalogTemplates,
	} {
		some, err := part(ctx, c, from)
		lost, ok := oci.Gaps(err)
		if cerr := ctx.Err(); cerr != nil {
			return asked{}, nil, fmt.Errorf("resolve images: %w", cerr)
		}
		if !ok {
			return asked{}, nil, err
		}
		all.images, all.documents = append(all.images, some.images...), append(all.documents, some.documents...)
		all.signatures = append(all.signatures, some.signatures...)
		gaps = append(gaps, lost...)
	}
	signed, err := documents.WriteSignatures(ctx, all.signatures, from)
	all.documents = append(all.documents, signed...)
	return all, gaps, err
}

// additionalImages asks for mirror.additionalImages, each under its own name or
// that of targetRepo and targetTag.
func additionalImages(_ context.Context, c *imageset.Config, _ Images) (asked, error) {
	var list []wanted
	for _, a := range c.Mirror.AdditionalImages {
		w := wanted{origin: origin.Additional, ref: a.Name, path: a.TargetRepo, why: []oci.Reason{{Kind: origin.KindAdditional}}, only: imageset.PlatformNames(a.Platforms)}
		if tag := cmp.Or(a.TargetTag, a.Name.Tag); tag != "" {
			w.tags = []string{tag}
		}
		list = append(list, w)
	}
	return asked{images: list}, nil
}
