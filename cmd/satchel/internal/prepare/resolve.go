package prepare

import (
	"context"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// resolve pins the images of the configuration, or what a list of gaps names.
func (s *Set) resolve(ctx context.Context) error {
	s.Info("resolving images")
	if err := s.openCatalogs(); err != nil {
		return err
	}
	inv, err := s.resolved(ctx)
	if inv == nil {
		return err
	}
	s.documents = inv.Documents
	s.setImages(inv.Images)
	if err := s.tolerate(err); err != nil {
		return err
	}
	return checkFallback(s.Graph.Images)
}

// resolved gives what is carried, with the error that joins the gaps.
func (s *Set) resolved(ctx context.Context) (*oci.Inventory, error) {
	inv, err := manifests.Resolve(ctx, s.Config, s.images())
	if s.Only == nil || inv == nil {
		return inv, err
	}
	missing, ok := oci.Gaps(err)
	if !ok {
		return nil, err
	}
	return s.onlyListed(ctx, inv, missing)
}

// Resolves gives what another configuration names now. Its notices are discarded, and what is
// not available is in its error.
func (s *Set) Resolves(ctx context.Context, cfg *manifests.Config) (*oci.Inventory, error) {
	images := s.images()
	images.To = notice.To{}
	return manifests.Resolve(ctx, cfg, images)
}

// Asks opens the catalogs in directories that the configuration names, and gives what is asked
// for images, for questions of other jobs.
func (s *Set) Asks() (manifests.Images, error) {
	if err := s.openCatalogs(); err != nil {
		return nil, err
	}
	return s.images(), nil
}

func (s *Set) images() cachedImages {
	return cachedImages{s.To, s.Client, s.Cache, s.catalogs, s.Config.Extra.Hub, &repositories{client: s.Client, tags: map[oci.Ref]func() []string{}}}
}
