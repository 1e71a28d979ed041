package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/graphdata"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
	"github.com/satchel-airgap/satchel/oci"
)

const (

	// dirGraph has the data in the image, dirService is where update services read it
	// ("Creating the OpenShift Update Service graph data container image").
	dirGraph   = "var/lib/cincinnati-graph-data"
	dirService = "/var/lib/cincinnati/graph-data"
	// LabelGraph is the SHA-256 of the data as the image has it, as a tar.
	LabelGraph = "io.github.satchel-airgap.graph-data"
)

// graphBase is the image that the graph image is built from unless another is named:
// small, for all of OpenShift's platforms, with bash and cp.
func graphBase() oci.Ref {
	return oci.Ref{Registry: "registry.access.redhat.com", Repository: "ubi9/ubi-minimal", Tag: "latest"}
}

// GraphError says that the graph image cannot be built.
type GraphError struct {
	Err  error
	Base bool // it is the base image's fault, not that of the data
}

func (e *GraphError) Error() string { return e.Err.Error() }
func (e *GraphError) Unwrap() error { return e.Err }

// Hint says what else the image can be built of.
func (e *GraphError) Hint() string {
	if e.Base {
		return "name another image to build the graph image from; it must have bash and cp"
	}
	return "name another address of graph data, or a file that has it"
}

// Field is the field of imageset.Extra that the hint is about.
func (e *GraphError) Field() string {
	if e.Base {
		return "GraphBase"
	}
	return "GraphData"
}

// GraphImage asks for mirror.platform.graph: the image from which an update service
// inside gets the data of its graphs. One that cannot be built is a *[oci.Gap].
func GraphImage(ctx context.Context, c *imageset.Config, from ask.Images) (ask.Set, error) {
	if !c.Mirror.Platform.Graph {
		return ask.Set{}, nil
	}
	ref := oci.Ref{Registry: origin.LocalGraph, Repository: origin.PathGraph, Tag: "latest"}
	w := ask.Image{Origin: origin.Release, Ref: ref, Tags: []string{ref.Tag}, Reasons: []oci.Reason{{Kind: origin.KindGraph}}}
	if isGraphOfHub(c) {
		if err := graphOfHub(c.Extra.Hub, &w); err != nil {
			return ask.Set{}, &oci.Gap{Image: w.Entry(), Err: err}
		}
		return ask.Set{Images: []ask.Image{w}}, nil
	}
	if err := makeGraph(ctx, c, from, &w); err != nil {
		var host *ask.HostError
		if errors.As(err, &host) {
			return ask.Set{}, fmt.Errorf("make the graph image: %w", host.Err)
		}
		return ask.Set{}, &oci.Gap{Image: w.Entry(), Err: err}
	}
	if c.Extra.GraphData == (imageset.GraphData{}) && slices.ContainsFunc(c.Mirror.Platform.Channels, func(ch imageset.ReleaseChannel) bool { return ch.Type == "okd" }) {
		from.Note("mirror.platform.graph: the graph data that Red Hat publishes knows no channels of OKD; name other graph data for those")
	}
	return ask.Set{Images: []ask.Image{w}}, nil
}

// makeGraph makes the image, of the base's images for the platforms that are asked for.
func makeGraph(ctx context.Context, c *imageset.Config, from ask.Images, w *ask.Image) error {
	base := c.Extra.GraphBase
	if base == (oci.Ref{}) {
		base = graphBase()
	}
	based := func(err error) error {
		return &GraphError{Err: fmt.Errorf("base image %s: %w", base, err), Base: true}
	}
	root, src, err := from.Resolve(ctx, base)
	if err == nil {
		err = oci.CheckDescriptor(root)
	}
	if err == nil && base.Digest != "" && base.Digest != root.Digest {
		err = fmt.Errorf("pinned to another digest, %s", root.Digest)
	}
	if err != nil {
		return based(err)
	}
	take, err := taking(ctx, src, root, graphPlatforms(ctx, c, from))
	if err != nil {
		return based(err)
	}
	layer, err := graphLayer(ctx, c, from)
	if err != nil {
		return &GraphError{Err: err}
	}
	cook := func(context.Context, oci.Descriptor) (rebuild.Recipe, error) {
		return rebuild.Recipe{Layer: layer, Edit: graphSettings(layer, root), Comment: "satchel: " + "graph data" + " " + layer.DiffID.String()}, nil
	}
	root = oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
	if w.Built, w.Platforms, err = rebuild.Index(ctx, src, root, take, cook, ask.HostStore{To: from}); err != nil {
		return based(err)
	}
	w.Base = base.WithDigest(root.Digest)
	return nil
}

// graphSettings has the image do what the operator's init container waits for: it
// runs what the image says, as any user, with a volume at dirService.
func graphSettings(layer rebuild.Layer, base oci.Descriptor) func(*rebuild.Settings) {
	return func(s *rebuild.Settings) {
		s.Entrypoint, s.Cmd = nil, []string{"/bin/bash", "-c", "exec cp -rp /" + dirGraph + "/* " + dirService}
		s.Labels["name"] = origin.PathGraph
		s.Labels["summary"] = "The data of OpenShift's update graphs"
		s.Labels["description"] = "Copies the data of OpenShift's update graphs to " + dirService + ", for an update service."
		s.Labels[ispec.AnnotationBaseImageDigest] = base.Digest.String()
		s.Labels[LabelGraph] = layer.DiffID.String()
	}
}

// graphLayer reads the data and makes a layer of it.
func graphLayer(ctx context.Context, c *imageset.Config, from ask.Images) (layer rebuild.Layer, err error) {
	name, archive := c.Extra.GraphData.File, []byte(nil)
	if name != "" {
		archive, err = c.Extra.GraphData.Read()
	} else {
		var link string
		if link, name, err = c.GraphDataURL(); err == nil {
			archive, err = from.Fetch(ctx, link, graphdata.MaxArchive)
		}
	}
	if err != nil {
		return layer, fmt.Errorf("read the graph data: %w", err)
	}
	data, err := graphdata.Read(bytes.NewReader(archive))
	var odd *oci.UnsupportedError
	switch {
	case errors.As(err, &odd):
		return layer, fmt.Errorf("read the graph data of %s: %w", name, err)
	case err != nil:
		return layer, ask.OfHost(err)
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	for _, doubt := range data.Doubts() {
		from.Note(fmt.Sprintf("mirror.platform.graph: the graph data of %s: %s", name, doubt))
	}
	return data.Layer(ask.HostStore{To: from}, dirGraph)
}
