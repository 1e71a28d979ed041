package prepare

import (
	"context"

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
	inv, err := manifests.Resolve(ctx, s.Config, cachedImages{s.To, s.Client, s.Cache, s.catalogs, &repositories{client: s.Client, tags: map[oci.Ref]func() []string{}}})
	if s.Only == nil || inv == nil {
		return inv, err
	}
	missing, ok := oci.Gaps(err)
	if !ok {
		return nil, err
	}
	return s.onlyListed(ctx, inv, missing)
}
