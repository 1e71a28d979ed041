package prepare

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusteryaml"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// Options say what is prepared, and how.
type Options struct {
	notice.To
	Config *manifests.Config
	File   string // of the configuration, for messages
	Client *transport.Client
	Cache  *cache.Cache

	Clusters []*manifests.Cluster // whose needs the configuration has

	Only     *gaps.List // carry these images alone; nil for all
	OnlyFile string     // of that list, for messages

	Baseline Baseline // what need not be carried; nil: everything is
	Since    []string // by what the baseline was named, sorted: part of what makes two packs the same job

	Journals string // directory of the journals of this host; empty for none

	KeepGoing      bool // carry what is available, and note the rest as gaps
	ParallelImages int  // whose manifests are read at once
	ParallelBlobs  int

	Mirror oci.Mirror // that the cluster's YAML in the bundle is for; zero for a placeholder
	// MirrorAPI is the kind of rules in that YAML.
	MirrorAPI manifests.MirrorAPI
}

// Set is what is carried.
type Set struct {
	Options
	Graph *oci.Graph // the images, and everything that they reach
	Gaps  gaps.List  // what is not carried, although the configuration asks for it

	documents []oci.Document // that the configuration brings
	catalogs  catalogDirs
	adopted   *cache.Cache             // of a bundle that was begun: what was built for it; else nil
	built     map[digest.Digest]bool   // what that is
	foreign   map[digest.Digest]bool   // foreign layers that were reported as left out
	warned    map[oci.Ref]bool         // repositories that refuse to say what is attached
	earlier   map[string]bool          // what was attached in earlier bundles; nil if not read yet
	pinned    []oci.Image              // of the bundle that the list is of; nil if not read yet
	unsigned  []manifests.Unsigned     // what nodes will refuse of it
	rendered  *clusteryaml.Rendered    // nil: the images, or the gaps, are others since
	kept      func(digest.Digest) bool // which blobs need not be carried; nil: none
	travels   *oci.Graph               // see [Set.Carried]; nil: not known yet
	travelsOf *oci.Graph               // the graph that it is a part of
}

// New begins a set. The caller closes it.
func New(o Options) *Set {
	if o.Mirror.Host == "" {
		o.Mirror.Host = clusteryaml.Placeholder
	}
	return &Set{Options: o, Graph: &oci.Graph{}, foreign: map[digest.Digest]bool{}, warned: map[oci.Ref]bool{}}
}

// Forget takes the set back to where [New] began it.
func (s *Set) Forget() {
	for _, dir := range s.catalogs {
		_ = dir.Close() // it was read only
	}
	*s = *New(s.Options)
}

// Close ends the use of the set, of its client and of its cache.
func (s *Set) Close() {
	s.Client.Close()
	if err := s.Cache.Close(); err != nil {
		s.Warn("remove what was stored for this run alone: %v", err)
	}
	for _, dir := range s.catalogs {
		_ = dir.Close() // it was read only
	}
}

// Inventory lists what is carried. Its documents are those that the configuration brings.
func (s *Set) Inventory() *oci.Inventory {
	s.Gaps.Sort()
	return &oci.Inventory{Images: s.Graph.Images, Documents: slices.Clone(s.documents), Gaps: s.Gaps.Images}
}

// Prepare pins the images, reads all their manifests, finds what is attached to
// them, and asks for every blob.
func (s *Set) Prepare(ctx context.Context) error {
	if err := s.Pin(ctx); err != nil {
		return err
	}
	if err := s.Mirror.CheckCollisions(s.Inventory()); err != nil {
		return err
	}
	if err := s.CheckSources(ctx); err != nil {
		return err
	}
	s.reportLeft()
	s.warnOdd()
	return s.checkSigned(ctx)
}

// Pin is the part of [Set.Prepare] that finds out what is carried. No blob is asked for.
func (s *Set) Pin(ctx context.Context) error {
	if err := s.resolve(ctx); err != nil {
		return err
	}
	if err := s.readManifests(ctx); err != nil {
		return err
	}
	return s.attach(ctx)
}

// Finish is what [Set.Prepare] does besides [Set.Pin] and [Set.CheckSources], for a set
// that has been through both.
func (s *Set) Finish(ctx context.Context) error {
	if err := s.Mirror.CheckCollisions(s.Inventory()); err != nil {
		return err
	}
	s.reportLeft()
	s.warnOdd()
	return s.checkSigned(ctx)
}

// Resume takes what was pinned when a bundle was begun: its inventory, and the gaps that
// it had then. dir has what was built for it.
func (s *Set) Resume(ctx context.Context, inv *oci.Inventory, noted gaps.List, dir string) error {
	s.adopted = cache.New(dir)
	s.setImages(slices.Clone(inv.Images))
	s.documents, s.Gaps = slices.Clone(inv.Documents), noted
	if err := s.reopenCatalogs(); err != nil {
		return err
	}
	if err := s.readManifests(ctx); err != nil {
		return err
	}
	if err := s.checkForeign(ctx); err != nil {
		return err
	}
	return s.checkSigned(ctx)
}
