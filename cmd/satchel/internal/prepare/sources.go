package prepare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// repos gives the source repositories of a node, each once: none for what satchel
// built, which is in the cache. Of an image that it built from another, that other's
// repository has the layers that both share.
func (s *Set) repos(n oci.Node) []oci.Ref {
	var list []oci.Ref
	for _, i := range n.Images {
		img := s.Graph.Images[i]
		ref := img.Source
		if img.Built && !s.Config.Extra.Hub.Has(img) {
			if ref = img.Base; ref == (oci.Ref{}) || oci.IsManifest(n.Descriptor.MediaType) || s.built[n.Descriptor.Digest] {
				continue
			}
		}
		switch ref = ref.Repo(); {
		case slices.Contains(list, ref):
		case s.catalogs.of(ref) != nil: // what is on this host need not be downloaded
			list = slices.Insert(list, 0, ref)
		default:
			list = append(list, ref)
		}
	}
	return list
}

// Remote reports whether a node comes from registries alone.
func (s *Set) Remote(n oci.Node) bool {
	repos := s.repos(n)
	return len(repos) > 0 && !slices.ContainsFunc(repos, func(ref oci.Ref) bool { return s.catalogs.of(ref) != nil })
}

// CheckSources asks for every blob once, before the first one is fetched.
func (s *Set) CheckSources(ctx context.Context) error {
	if err := s.checkForeign(ctx); err != nil {
		return err
	}
	absent, err := s.absent(ctx, s.Carried().Blobs)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range absent {
		errs = append(errs, s.Lost(ctx, n.Node, n.why))
	}
	if len(errs) == 0 {
		return nil
	}
	return s.Tolerate(ctx, errors.Join(errs...))
}

// checkForeign takes foreign layers that their registry lacks out of what is
// fetched, and reports them. They are never fetched from elsewhere.
func (s *Set) checkForeign(ctx context.Context) error {
	foreign := slices.DeleteFunc(slices.Clone(s.Graph.Blobs), func(n oci.Node) bool { return !oci.IsForeign(n.Descriptor.MediaType) })
	absent, err := s.absent(ctx, foreign)
	if err != nil {
		return err
	}
	for _, n := range absent {
		if !s.foreign[n.Descriptor.Digest] {
			s.foreign[n.Descriptor.Digest] = true
			s.Info("not carried: foreign layer %s of %s, which its registry lacks", n.Descriptor.Digest, s.Graph.Images[n.Images[0]].Source)
		}
	}
	left := *s.Graph
	left.Blobs = slices.DeleteFunc(slices.Clone(left.Blobs), func(n oci.Node) bool {
		return slices.ContainsFunc(absent, func(a lost) bool { return a.Descriptor.Digest == n.Descriptor.Digest })
	})
	s.Graph = &left // with the images that it had
	return nil
}

// Source gives a node's content from this host, or from whichever of its repositories
// has it.
func (s *Set) Source(n oci.Node) oci.Source {
	return s.stored(oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		var errs []error
		for _, ref := range s.repos(n) {
			repo, err := s.repository(ref)
			if err == nil {
				var rc io.ReadCloser
				if rc, err = repo.Open(ctx, d, off); err == nil {
					return rc, nil
				}
			}
			errs = append(errs, err)
			if ctx.Err() != nil {
				break
			}
		}
		err := decisive(errs)
		if data := s.inline(ctx, n, err); data != nil {
			return io.NopCloser(bytes.NewReader(data[min(off, int64(len(data))):])), nil
		}
		return nil, err
	}))
}

// inline gives content that its repositories refuse, with err, and a manifest has with it.
func (s *Set) inline(ctx context.Context, n oci.Node, err error) []byte {
	if !Permanent(err) || n.Descriptor.Size > oci.MaxManifestSize {
		return nil
	}
	for _, img := range s.Graph.Of(n) {
		src, err := s.manifestsOf(img)
		if err != nil {
			continue
		}
		if data, err := oci.Inline(ctx, src, img, n.Descriptor); err == nil && data != nil {
			return data
		}
	}
	return nil
}

// lost is content that its repositories definitely do not give.
type lost struct {
	oci.Node
	why error
}

// absent finds the blobs that none of their repositories has.
func (s *Set) absent(ctx context.Context, nodes []oci.Node) ([]lost, error) {
	why := make([]error, len(nodes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.ParallelBlobs * 2)
	for i, n := range nodes {
		g.Go(func() error {
			why[i] = s.look(ctx, n)
			if why[i] == nil || Permanent(why[i]) {
				return nil
			}
			return s.Blame(n, why[i])
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var list []lost
	for i, n := range nodes {
		if why[i] != nil {
			list = append(list, lost{n, why[i]})
		}
	}
	return list, nil
}

// look asks the node's repositories whether they have it, until one does.
func (s *Set) look(ctx context.Context, n oci.Node) error {
	if s.isStored(n.Descriptor) { // built here, or read before
		return nil
	}
	var errs []error
	for _, ref := range s.repos(n) {
		repo, err := s.repository(ref)
		if err != nil {
			return err
		}
		ok, err := repo.Has(ctx, n.Descriptor)
		if ok || ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = &transport.MissingBlobError{Repo: ref, Blob: n.Descriptor, Gone: s.imagesGone(ctx, repo, ref, n)}
		}
		errs = append(errs, err)
	}
	err := decisive(errs)
	if s.inline(ctx, n, err) != nil {
		return nil
	}
	return err
}

// imagesGone reports whether a repository has none of the images of a node any more: their manifests come from this host
// then.
func (s *Set) imagesGone(ctx context.Context, repo repository, ref oci.Ref, n oci.Node) bool {
	for _, i := range n.Images {
		img := s.Graph.Images[i]
		if img.Source.Repo() != ref {
			return false
		}
		if has, err := repo.Has(ctx, img.Root); has || err != nil {
			return false
		}
	}
	return len(n.Images) > 0
}

// decisive picks, of the answers of several repositories, an error that may pass:
// content is only lost when all of them have definitely refused it.
func decisive(errs []error) error {
	if len(errs) == 0 {
		return &LostError{}
	}
	for _, err := range errs {
		if !Permanent(err) {
			return err
		}
	}
	return errs[0]
}

// Blame names an image that needs the node.
func (s *Set) Blame(n oci.Node, err error) error {
	if err == nil || len(n.Images) == 0 {
		return err
	}
	more := ""
	if k := len(n.Images) - 1; k > 0 {
		more = fmt.Sprintf(" (and %d more)", k)
	}
	return fmt.Errorf("image %s%s: %w", s.Graph.Images[n.Images[0]].Describe(), more, err)
}
