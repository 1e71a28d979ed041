package manifests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/graphdata"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

// GraphData says where the data of the graph image comes from: an address, or a file of
// this host. Empty is Red Hat's address, or what is beside [Extra].UpdateURL.
type GraphData struct {
	URL    string        `json:"url,omitempty"`
	File   string        `json:"-"`
	Digest digest.Digest `json:"digest,omitempty"` // of the file, as it was when it was named
}

// ParseGraphData takes what --graph-data names, and looks into a file.
func ParseGraphData(name string) (GraphData, error) {
	if strings.Contains(name, "://") {
		g := GraphData{URL: name}
		if u, err := url.Parse(name); err == nil && u.User != nil {
			return g, errors.New("the address has a user or a password in it, which others may see here; fetch the file, and name that")
		}
		_, _, err := (&Config{Extra: Extra{GraphData: g}}).graphDataURL()
		return g, err
	}
	g := GraphData{File: name}
	body, err := readGraphFile(name)
	g.Digest = oci.Digest(body)
	return g, err
}

// read gives the file, if it is still the same.
func (g GraphData) read() ([]byte, error) {
	body, err := readGraphFile(g.File)
	if err == nil && oci.Digest(body) != g.Digest {
		err = fmt.Errorf("%s has changed since this began", g.File)
	}
	return body, err
}

func readGraphFile(name string) (body []byte, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // it is read once more later
		return nil, fmt.Errorf("%s is not a regular file; save what it gives to one", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err = io.ReadAll(io.LimitReader(f, graphdata.MaxArchive+1))
	if len(body) > graphdata.MaxArchive {
		return nil, fmt.Errorf("%s has more than %d bytes", name, graphdata.MaxArchive)
	}
	return body, err
}

// graphPlatforms are those of the releases that are asked for, each os/architecture: the
// graph image runs where they do. None are all that there are.
func (c *Config) graphPlatforms(ctx context.Context, from Images) []string {
	pf := &c.Mirror.Platform
	list := platformNames(pf.Platforms)
	for _, arch := range pf.Architectures {
		list = append(list, "linux/"+arch)
	}
	if len(list) == 0 {
		list = payloadPlatforms(ctx, pf.Release, from)
		if len(list) == 0 || len(pf.Channels) > 0 {
			list = append(list, "linux/"+defaultArch)
		}
	}
	if slices.Contains(list, "linux/"+multiArch) {
		return nil
	}
	return sorted(list)
}

// payloadPlatforms are those of a payload that is named. One that cannot be had says
// so itself.
func payloadPlatforms(ctx context.Context, name string, from Images) []string {
	ref, err := oci.ParseRef(name)
	if err != nil {
		return nil
	}
	root, src, err := from.Resolve(ctx, ref)
	if err != nil {
		return nil
	}
	image, err := layers.Pick(ctx, src, root)
	if err != nil {
		return nil
	}
	arch, err := payloadArch(ctx, src, root, image)
	if err != nil {
		return nil
	}
	return []string{"linux/" + arch}
}

// taking says which of an image's platforms are those of a list; it must have them all.
func taking(ctx context.Context, src oci.Source, root oci.Descriptor, list []string) (take func(ispec.Platform) bool, err error) {
	has, err := oci.Platforms(ctx, src, root)
	if err != nil {
		return nil, err
	}
	if len(has) == 0 {
		return nil, &oci.UnsupportedError{What: root.Digest.String(), Why: "it is no image"}
	}
	if lacks := lacking(list, has); len(lacks) > 0 {
		return nil, &oci.UnsupportedError{What: root.Digest.String(), Why: fmt.Sprintf("it is not for %s; it is for %s", strings.Join(lacks, ", "), plain(strings.Join(has, ", ")))}
	}
	return func(p ispec.Platform) bool { return list == nil && p.OS == "linux" || among(list, p) }, nil
}
