package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	maxDepth    = 8        // indexes within indexes
	maxVisits   = 1 << 16  // content of one image
	maxHeld     = 8 << 20  // bytes of the manifests from the root down to the one that is visited
	maxConfig   = 16 << 20 // bytes of an image config
	mediaConfig = ispec.MediaTypeImageConfig
	mediaDocker = "application/vnd.docker.container.image.v1+json"
)

// Walk visits everything that root reaches, children before parents, each
// digest once as what it is: config and layers of an image are blobs, what an index
// names are manifests. Manifests are read from src and verified; body is the manifest's
// bytes and nil for a blob. Of what an index names by no media type of a manifest, the
// bytes decide; what they make no manifest, as build caches have it, is a blob. What
// of an index cannot be read is a *[PartError], if the index says for which platform it is. fn's
// error ends the walk.
func Walk(ctx context.Context, src Source, root Descriptor, fn func(d Descriptor, body []byte) error) error {
	w := walker{src: src, fn: fn, seen: map[content]bool{}}
	return w.visit(ctx, root, 0)
}

// MaxReached is how many manifests and blobs the images of a set may reach, each counted for each
// image: a release with all operator catalogs has 30,000 images and about a million of these.
const MaxReached = 1 << 22

// LimitError says that a set of images reaches more than any that is real: a small bundle of many
// names for one large manifest would else take hours and all memory.
type LimitError struct{ Why string }

func (e *LimitError) Error() string { return "the images reach too much: " + e.Why }

// Hint says what to do with a bundle that has them.
func (e *LimitError) Hint() string {
	return "do not use this bundle: satchel packs no such set of images"
}

// Permanent reports that the same images reach as much every time.
func (e *LimitError) Permanent() bool { return true }

var errReached = &LimitError{fmt.Sprintf("more than %d manifests and blobs, each counted for each image", MaxReached)}

// Walks counts what the walks of a set of images visit: no more than [MaxReached] in all, then
// each is a *[LimitError]. The zero value is ready, and may be used at the same time.
type Walks struct{ visits atomic.Int64 }

// WalkImage is the function of that name.
func (w *Walks) WalkImage(ctx context.Context, src Source, img Image, fn func(d Descriptor, body []byte) error) error {
	return walkImage(ctx, &walker{src: src, fn: fn, all: w}, img)
}

// WalkIndexes is the function of that name.
func (w *Walks) WalkIndexes(ctx context.Context, src Source, img Image, fn func(d Descriptor, body []byte) error) error {
	return walkImage(ctx, &walker{src: src, fn: fn, all: w, indexes: true}, img)
}

// take counts visits.
func (w *Walks) take(n int) error {
	if w != nil && w.visits.Add(int64(n)) > MaxReached {
		return errReached
	}
	return nil
}

// WalkImage is [Walk] from an image's root through all that is carried of it: without
// the manifests that its indexes name and [Image].Without lists. If that lists anything
// else, the inventory is wrong, and the error an *[UnsupportedError].
func WalkImage(ctx context.Context, src Source, img Image, fn func(d Descriptor, body []byte) error) error {
	return walkImage(ctx, &walker{src: src, fn: fn}, img)
}

// WalkIndexes is [WalkImage] that reads no other manifests than indexes: those of
// images are visited with a nil body, and nothing below them.
func WalkIndexes(ctx context.Context, src Source, img Image, fn func(d Descriptor, body []byte) error) error {
	return walkImage(ctx, &walker{src: src, fn: fn, indexes: true}, img)
}

func walkImage(ctx context.Context, w *walker, img Image) error {
	w.seen, w.out = map[content]bool{}, map[digest.Digest]bool{}
	for _, d := range img.Omitted {
		w.out[d] = false
	}
	if err := w.visit(ctx, img.Root, 0); err != nil {
		return err
	}
	for _, d := range img.Omitted {
		if !w.out[d] {
			return &UnsupportedError{"image " + img.Root.Digest.String(), fmt.Sprintf("its inventory entry omits manifest %s, which none of its indexes names", d)}
		}
	}
	return nil
}

type walker struct {
	src     Source
	fn      func(Descriptor, []byte) error
	all     *Walks // that this one is of; may be nil
	seen    map[content]bool
	out     map[digest.Digest]bool // manifests that are left out, and whether an index names them
	indexes bool                   // reads only those
	held    int                    // bytes of the manifests above the one that is visited
	odd     string                 // of the manifest that fn gets now, see [Manifest]
	stopped bool                   // fn did
}

func (w *walker) call(d Descriptor, body []byte) error {
	err := w.fn(d, body)
	w.stopped = err != nil
	return err
}

// content is a digest in one of its two roles: the same bytes may be a manifest in one
// place and a blob in another, which registries have apart.
type content struct {
	digest   digest.Digest
	manifest bool
}

func contentOf(d Descriptor) content { return content{d.Digest, IsManifest(d.MediaType)} }

func (w *walker) visit(ctx context.Context, d Descriptor, depth int) error {
	if w.seen[contentOf(d)] {
		return nil
	}
	w.seen[contentOf(d)] = true
	if err := w.all.take(1); err != nil {
		w.stopped = true
		return err
	}
	if depth > maxDepth || len(w.seen) > maxVisits {
		return &UnsupportedError{"manifest " + d.Digest.String(), "indexes are nested too deep or name too much"}
	}
	if !IsManifest(d.MediaType) || w.indexes && !IsIndex(d.MediaType) {
		return w.call(d, nil)
	}
	body, err := ReadManifest(ctx, w.src, d)
	if err != nil {
		return err
	}
	if w.held += len(body); w.held > maxHeld {
		return &UnsupportedError{"manifest " + d.Digest.String(), fmt.Sprintf("it and the indexes above it have more than %d bytes", maxHeld)}
	}
	defer func() { w.held -= len(body) }()
	m, err := ParseManifest(d, body)
	if err != nil {
		return err
	}
	index := IsIndex(d.MediaType)
	for _, c := range m.children() {
		if _, out := w.out[c.Digest]; out && index && !isBlobType(c.MediaType) {
			w.out[c.Digest] = true
			continue
		}
		if index {
			if c.MediaType, err = lookUp(ctx, w.src, c); err != nil {
				return w.alsoLost(ctx, c, m.children(), ofPart(c, m.children(), err))
			}
		}
		if err := w.visit(ctx, c, depth+1); err != nil {
			if index && !w.stopped {
				err = w.alsoLost(ctx, c, m.children(), ofPart(c, m.children(), err))
			}
			return err
		}
	}
	w.odd = m.Odd
	return w.call(d, body)
}

// Platforms lists the platforms that an image is for, sorted: for an index
// those that it declares, else the one of its config. Artifacts have none.
func Platforms(ctx context.Context, src Source, root Descriptor) ([]string, error) {
	body, err := ReadManifest(ctx, src, root)
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(root, body)
	if err != nil {
		return nil, err
	}
	var list []string
	if IsIndex(root.MediaType) {
		for _, c := range m.Manifests {
			if p := PlatformString(c.Platform); p != "" && p != "unknown/unknown" {
				list = append(list, p)
			}
		}
	} else if IsConfig(m.Config.MediaType) {
		p, err := configPlatform(ctx, src, *m.Config)
		if err != nil {
			return nil, err
		}
		if p != "" {
			list = append(list, p)
		}
	}
	// What an author wrote there is shown on terminals; what is no platform is left out.
	list = slices.DeleteFunc(list, func(p string) bool { return !platformPattern.MatchString(p) })
	slices.Sort(list)
	return slices.Compact(list), nil
}

func configPlatform(ctx context.Context, src Source, d Descriptor) (string, error) {
	body, err := ReadBlob(ctx, src, d, maxConfig)
	if err != nil {
		return "", fmt.Errorf("read image config: %w", err)
	}
	var p ispec.Platform
	if err := json.Unmarshal(body, &p); err != nil {
		return "", &UnsupportedError{"image config " + d.Digest.String(), fmt.Sprintf("it is not valid JSON: %v", err)}
	}
	return PlatformString(&p), nil
}
