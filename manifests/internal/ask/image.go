package ask

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Image is an image that a part of the configuration asks for.
type Image struct {
	Origin  oci.Origin
	Ref     oci.Ref  // where it is, by tag, digest or both
	Tags    []string // in the mirror
	Path    string   // its repository in the mirror; empty for its own
	Reasons []oci.Reason
	Only    []string // the platforms that are carried of it, each os/architecture, sorted; nil for all
	Pods    bool     // pods use it; other parts may ask for it too

	Built     oci.Descriptor // what it is, for an image that satchel built; see [Images.Put]
	Base      oci.Ref        // what it was built from, by digest; see [oci.Image]
	Platforms []string       // of that
}

// precedence is the order in which origins speak for an image that several ask for.
var precedence = []oci.Origin{origin.Release, origin.Catalog, origin.Operator, origin.Additional, origin.Chart, origin.Pod}

// Entry is w as far as it is known before it is found.
func (w Image) Entry() oci.Image {
	return oci.Image{Origin: w.Origin, Source: w.Ref, Root: w.Built, Platforms: w.Platforms, Tags: w.Tags, Path: w.Path, Reasons: w.Reasons,
		Built: w.Built.Digest != "", Base: w.Base}
}

// Unite makes one of all that are the same image in the same repository of the
// mirror: the first origin by precedence, and the tags, reasons and platforms of all.
func Unite(list []Image) []Image {
	type place struct {
		ref   oci.Ref
		path  string
		built digest.Digest // two things that were built under one name collide later, and are reported
	}
	places := map[place]int{}
	var out []Image
	for _, w := range list {
		if w.Path == w.Ref.Repository {
			w.Path = ""
		}
		at := place{w.Ref, w.Path, w.Built.Digest}
		i, ok := places[at]
		if !ok {
			i = len(out)
			places[at] = i
			out = append(out, Image{Origin: w.Origin, Ref: w.Ref, Path: w.Path, Built: w.Built, Base: w.Base, Platforms: w.Platforms, Only: w.Only})
		}
		u := &out[i]
		u.Only, u.Pods = eitherOf(u.Only, w.Only), u.Pods || w.Origin == origin.Pod
		if slices.Index(precedence, w.Origin) < slices.Index(precedence, u.Origin) {
			u.Origin = w.Origin
		}
		u.Tags = append(u.Tags, w.Tags...)
		u.Reasons = append(u.Reasons, w.Reasons...)
	}
	for i := range out {
		out[i].Tags, out[i].Reasons = text.Sorted(out[i].Tags), oci.SortReasons(plainReasons(out[i].Reasons))
	}
	slices.SortFunc(out, func(a, b Image) int { return a.Entry().Compare(b.Entry()) })
	return out
}

// plainReasons makes printable ASCII of what catalogs and payloads call their parts.
func plainReasons(list []oci.Reason) []oci.Reason {
	out := make([]oci.Reason, len(list))
	for i, r := range list {
		out[i] = oci.Reason{Kind: r.Kind, Name: text.ASCII(r.Name), Part: text.ASCII(r.Part), Catalog: text.ASCII(r.Catalog)}
	}
	return out
}

// Set is what a part of the configuration asks for.
type Set struct {
	Images     []Image
	Documents  []oci.Document        // for the far side; what they reach was given to [Images.Put]
	Signatures []documents.Signature // of releases; one document has all
	Payloads   []documents.PayloadFacts
}
