package manifests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/graphdata"
	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	// pathGraph is where the mirror has the graph image (oc-mirror v2's name); in its
	// reference, localGraph stands for a host: it is made here.
	pathGraph  = "openshift/graph-image"
	localGraph = "graph-data.local"

	// dirGraph has the data in the image, dirService is where update services read it
	// ("Creating the OpenShift Update Service graph data container image").
	dirGraph   = "var/lib/cincinnati-graph-data"
	dirService = "/var/lib/cincinnati/graph-data"
	// labelGraph is the SHA-256 of the data as the image has it, as a tar.
	labelGraph = "io.github.satchel-airgap.graph-data"

	// graphDataURL is where Red Hat publishes the data.
	graphDataURL = "https://api.openshift.com/api/upgrades_info/graph-data"
)

// graphBase is the image that the graph image is made from unless another is named:
// small, for all of OpenShift's platforms, with bash and cp.
func graphBase() oci.Ref {
	return oci.Ref{Registry: "registry.access.redhat.com", Repository: "ubi9/ubi-minimal", Tag: "latest"}
}

// GraphError says that the graph image cannot be made.
type GraphError struct {
	Err  error
	Base bool // it is the base image's fault, not that of the data
}

func (e *GraphError) Error() string { return e.Err.Error() }
func (e *GraphError) Unwrap() error { return e.Err }

// graphImage asks for mirror.platform.graph: the image from which an update service
// inside gets the data of its graphs. One that cannot be made is a *[oci.Gap].
func graphImage(ctx context.Context, c *Config, from Images) (asked, error) {
	if !c.Mirror.Platform.Graph {
		return asked{}, nil
	}
	ref := oci.Ref{Registry: localGraph, Repository: pathGraph, Tag: "latest"}
	w := wanted{origin: ask.OriginRelease, ref: ref, tags: []string{ref.Tag}, why: []oci.Reason{{Kind: ask.KindGraph}}}
	if err := c.makeGraph(ctx, from, &w); err != nil {
		var host *settledError
		if errors.As(err, &host) {
			return asked{}, fmt.Errorf("make the graph image: %w", host.err)
		}
		return asked{}, &oci.Gap{Image: w.image(), Err: err}
	}
	if c.Extra.GraphData == (GraphData{}) && slices.ContainsFunc(c.Mirror.Platform.Channels, func(ch ReleaseChannel) bool { return ch.Type == "okd" }) {
		from.Note("mirror.platform.graph: the graph data that Red Hat publishes knows no channels of OKD; --graph-data names other data")
	}
	return asked{images: []wanted{w}}, nil
}

// isGraph reports whether a reference is that of the graph image.
func isGraph(ref oci.Ref) bool { return ref.Registry == localGraph && ref.Repository == pathGraph }

// makeGraph makes the image, of the base's images for the platforms that are asked for.
func (c *Config) makeGraph(ctx context.Context, from Images, w *wanted) error {
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
	take, err := taking(ctx, src, root, c.graphPlatforms(ctx, from))
	if err != nil {
		return based(err)
	}
	layer, err := c.graphLayer(ctx, from)
	if err != nil {
		return &GraphError{Err: err}
	}
	cook := func(context.Context, oci.Descriptor) (rebuild.Recipe, error) {
		return rebuild.Recipe{Layer: layer, Edit: graphSettings(layer, root), Comment: "satchel: " + "graph data" + " " + layer.DiffID.String()}, nil
	}
	root = oci.Descriptor{MediaType: root.MediaType, Digest: root.Digest, Size: root.Size}
	if w.made, w.platforms, err = rebuild.Index(ctx, src, root, take, cook, keeper{from}); err != nil {
		return based(err)
	}
	w.base = base.WithDigest(root.Digest)
	return nil
}

// graphSettings has the image do what the operator's init container waits for: it
// runs what the image says, as any user, with a volume at dirService.
func graphSettings(layer rebuild.Layer, base oci.Descriptor) func(*rebuild.Settings) {
	return func(s *rebuild.Settings) {
		s.Entrypoint, s.Cmd = nil, []string{"/bin/bash", "-c", "exec cp -rp /" + dirGraph + "/* " + dirService}
		s.Labels["name"] = pathGraph
		s.Labels["summary"] = "The data of OpenShift's update graphs"
		s.Labels["description"] = "Copies the data of OpenShift's update graphs to " + dirService + ", for an update service."
		s.Labels[ispec.AnnotationBaseImageDigest] = base.Digest.String()
		s.Labels[labelGraph] = layer.DiffID.String()
	}
}

// graphLayer reads the data and makes a layer of it.
func (c *Config) graphLayer(ctx context.Context, from Images) (layer rebuild.Layer, err error) {
	name, archive := c.Extra.GraphData.File, []byte(nil)
	if name != "" {
		archive, err = c.Extra.GraphData.read()
	} else {
		var link string
		if link, name, err = c.graphDataURL(); err == nil {
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
		return layer, settled(err)
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	return data.Layer(keeper{from}, dirGraph)
}

// graphDataURL is the address of the data, and the same without query and password for
// messages. Another graph server is asked for it beside its graph, where
// api.openshift.com has it.
func (c *Config) graphDataURL() (link, bare string, err error) {
	if c.Extra.GraphData.URL != "" {
		link = c.Extra.GraphData.URL
	} else if link = c.Extra.UpdateURL; link == "" {
		return graphDataURL, graphDataURL, nil
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", "", errors.New("it is not an http or https address")
	}
	if c.Extra.GraphData.URL == "" {
		dir, ok := strings.CutSuffix(u.Path, "/graph")
		if !ok {
			return "", "", errors.New("its path does not end in /graph, which would have the graph data beside it")
		}
		u.Path, u.RawPath = strings.TrimSuffix(dir, "/v1")+"/graph-data", ""
	}
	link = u.String()
	u.RawQuery, u.User = "", nil
	return link, u.String(), nil
}

// graphCarried refuses an address that cannot be right, and flags for a graph that
// nobody asked for.
func (c *Config) graphCarried(p *problems) {
	x := &c.Extra
	if !c.Mirror.Platform.Graph {
		if x.GraphData != (GraphData{}) || x.GraphBase != (oci.Ref{}) {
			p.addAt(p.places.Of("mirror").Key, "set mirror.platform.graph: true, or leave the flag out",
				"--graph-data and --graph-base say how the graph image is made, and mirror.platform.graph does not ask for it")
		}
		return
	}
	if x.GraphData.File != "" {
		return
	}
	if _, _, err := c.graphDataURL(); err != nil {
		p.addAt(p.places.Of("mirror.platform.graph").Key, "name the address of the graph data, or a file that has it, with --graph-data",
			"mirror.platform.graph: UPDATE_URL_OVERRIDE names another graph server, and says not where its graph data is: %v", err)
	}
}
