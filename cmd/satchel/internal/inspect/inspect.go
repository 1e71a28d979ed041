// Package inspect reports what a bundle carries.
package inspect

import (
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// Report is what a bundle carries. All sizes are in bytes.
type Report struct {
	Bundle       string                 `json:"bundle"`
	Created      time.Time              `json:"created"`
	Stream       *bundle.Stream         `json:"stream,omitempty"`
	Sequence     int                    `json:"sequence"` // its number in the stream, 1 without one
	Fingerprint  bundle.Fingerprint     `json:"fingerprint"`
	Signed       []bundle.Signed        `json:"signed,omitempty"`
	NotEncrypted bool                   `json:"notEncrypted,omitempty"`
	Segments     int                    `json:"segments"`
	Bytes        int64                  `json:"bytes"`     // of the segments, on the drive
	Blobs        int                    `json:"blobs"`     // and manifests
	Manifests    int                    `json:"manifests"` // among those
	BlobBytes    int64                  `json:"blobBytes"` // unique, manifests among them
	Images       []report.Image         `json:"images"`
	LeftOut      *LeftOut               `json:"leftOut,omitempty"`    // nil for a bundle that carries all that its images need
	Gaps         []oci.Gap              `json:"gaps,omitempty"`       // what pack --keep-going could not carry
	Incomplete   []manifests.Incomplete `json:"incomplete,omitempty"` // what lacks some of those
	Documents    []Document             `json:"documents,omitempty"`  // not among the images and blobs above
	Away         []Away                 `json:"away,omitempty"`       // drives that are not here
	Without      gaps.List              `json:"-"`                    // the images that need one of those
	Supplement   *Supplement            `json:"supplement,omitempty"` // nil for a bundle that is none
	// Catalogs is what is carried of each.
	Catalogs []manifests.CatalogContents `json:"catalogs,omitempty"`
}

// Document is one document of a bundle.
type Document struct {
	Name   string        `json:"name"`
	Digest digest.Digest `json:"digest"`
	Blobs  int           `json:"blobs"` // that no image has
	Bytes  int64         `json:"bytes"` // of those
}

// Away is a drive that is not here.
type Away struct {
	Drive  int       `json:"drive"`
	Label  string    `json:"label"`
	Images []oci.Ref `json:"images"` // that are not whole without it
}

// Supplement says of a supplement which bundle it is of.
type Supplement struct {
	Bundle      string             `json:"bundle"` // its own ID
	Of          string             `json:"of"`     // the ID of the damaged one
	Fingerprint bundle.Fingerprint `json:"ofFingerprint"`
	Beside      bool               `json:"beside"`          // both are read
	Lacks       int                `json:"lacks,omitempty"` // images of the damaged bundle that it goes without
}

// Run reads the manifests of a bundle and counts what they reach.
func Run(ctx context.Context, r *bundle.Reader) (*Report, error) {
	inv := r.Inventory()
	graph, left, err := read(ctx, r)
	if err != nil {
		return nil, err
	}
	rep := &Report{Bundle: r.ID(), Created: r.Created(), Sequence: r.Sequence(), Fingerprint: r.Fingerprint(), Signed: r.Signed(), NotEncrypted: r.Plain()}
	if s, ok := r.Supplement(); ok {
		rep.Supplement = &Supplement{s.Bundle, s.Of, s.OfSeal, s.Beside, r.Lacks()}
	}
	if s := r.Stream(); s != (bundle.Stream{}) {
		rep.Stream = &s
	}
	rep.Segments, rep.Bytes, _ = r.Stat()
	rep.Gaps, rep.Incomplete = inv.Gaps, manifests.IncompleteOf(inv.Gaps)
	// A foreign layer that its registry did not have is reached and not carried.
	graph.Blobs = slices.DeleteFunc(graph.Blobs, func(n oci.Node) bool { return !r.Has(n.Descriptor) })
	rep.away(r, graph)
	rep.Images = report.Images(graph)
	rep.leftOut(r.Baseline(), left)
	rep.Manifests = len(graph.Manifests)
	rep.Blobs, rep.BlobBytes = len(graph.Blobs)+len(graph.Manifests), report.Size(graph.Blobs)+report.Size(graph.Manifests)
	seen := map[digest.Digest]bool{}
	for _, n := range append(graph.Manifests, graph.Blobs...) {
		seen[n.Descriptor.Digest] = true
	}
	for _, doc := range inv.Documents {
		if err := rep.document(ctx, r, doc, seen); err != nil {
			return nil, err
		}
	}
	rep.Catalogs, err = manifests.ReadContents(ctx, inv, r)
	return rep, err
}

// away finds out which images are not whole without the drives that are not here.
func (r *Report) away(from *bundle.Reader, graph *oci.Graph) {
	var lost []bundle.DriveLabel
	for _, d := range from.Drives() {
		if d.Dir != "" {
			continue
		}
		needs, _ := gaps.Without(graph, func(c oci.Descriptor) error {
			if from.DriveOf(c) != d.DriveLabel || from.Here(c) {
				return nil
			}
			return gaps.OnDrive(d)
		})
		one := Away{Drive: d.Number, Label: d.Label(), Images: []oci.Ref{}}
		for _, g := range needs.Images {
			one.Images = append(one.Images, g.Image.Source)
			r.Without.Add(&g)
		}
		r.Away, lost = append(r.Away, one), append(lost, d.DriveLabel)
	}
	r.Without.Lost = bundle.Labels(lost)
}

// document counts what a document has in addition to what was seen.
func (r *Report) document(ctx context.Context, src oci.Source, doc oci.Document, seen map[digest.Digest]bool) error {
	d := Document{Name: doc.Name, Digest: doc.Root.Digest}
	err := oci.Walk(ctx, src, doc.Root, func(c oci.Descriptor, _ []byte) error {
		if !seen[c.Digest] {
			seen[c.Digest] = true
			d.Blobs++
			d.Bytes += c.Size
		}
		return nil
	})
	r.Documents = append(r.Documents, d)
	return err
}
