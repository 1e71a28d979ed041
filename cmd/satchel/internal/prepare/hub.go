package prepare

import (
	"context"
	"io"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// hubRepository is what a hub's mirror has of one source repository, in one repository or,
// where images go to places of their own, in several.
type hubRepository []*transport.Repository

// hubRepository opens the repositories of the hub's mirror; none without a hub.
func (s *Set) hubRepository(ref oci.Ref) (list hubRepository, err error) {
	return openHub(s.Client, s.Config.Extra.Hub, ref)
}

func openHub(client *transport.Client, h *manifests.Hub, ref oci.Ref) (list hubRepository, err error) {
	if h == nil {
		return nil, nil
	}
	for _, at := range h.Places(ref) {
		repo, err := client.Repository(at)
		if err != nil {
			return nil, err
		}
		list = append(list, repo)
	}
	return list, nil
}

// Has looks for content in one repository after the other.
func (h hubRepository) Has(ctx context.Context, d oci.Descriptor) (bool, error) {
	var errs []error
	for _, repo := range h {
		ok, err := repo.Has(ctx, d)
		if ok {
			return true, nil
		}
		if err == nil {
			err = &transport.MissingBlobError{Repo: repo.Ref(), Blob: d}
		}
		errs = append(errs, err)
	}
	return false, decisive(errs)
}

// Open opens content in the first repository that has it.
func (h hubRepository) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	var errs []error
	for _, repo := range h {
		rc, err := repo.Open(ctx, d, off)
		if err == nil {
			return rc, nil
		}
		errs = append(errs, err)
	}
	return nil, decisive(errs)
}

// inHub gives a reference in the hub's mirror: by the digest that its bundle brought, else, for
// what other bundles brought, by its own name.
func inHub(h *manifests.Hub, ref oci.Ref) (at oci.Ref, known bool) {
	if img, ok := h.Find(ref); ok {
		return h.Mirror.Repo(img).WithDigest(img.Root.Digest), true
	}
	at = h.Place(ref)
	at.Tag, at.Digest = ref.Tag, ref.Digest
	if at.Digest != "" {
		at.Tag = ""
	}
	return at, ref.Digest != ""
}

// BuiltImage gives the content of an image that satchel built: from the hub that has it, else from
// this host.
func (s *Set) BuiltImage(img oci.Image) (oci.Source, error) {
	if !s.Config.Extra.Hub.Has(img) {
		return s.Built(), nil
	}
	repo, err := s.hubRepository(img.Source)
	return s.stored(repo), err
}

// attachmentsOf asks for what is attached to a manifest, in each repository that has the
// images of a source's.
func (s *Set) attachmentsOf(ctx context.Context, ref oci.Ref, d oci.Descriptor) (*transport.Attached, error) {
	hub, err := s.hubRepository(ref)
	if err != nil {
		return nil, err
	}
	for i, repo := range hub {
		if i < len(hub)-1 {
			if has, err := repo.Has(ctx, d); err == nil && !has {
				continue
			}
		}
		return repo.Attachments(ctx, d)
	}
	repo, err := s.Client.Repository(ref)
	if err != nil {
		return nil, err
	}
	return repo.Attachments(ctx, d)
}
