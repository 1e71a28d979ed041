package inuse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// charts names charts, and the images that they run with their own values. All charts in the
// mirror are read: what one runs that is not named stays. If one of these cannot be
// rendered, no image is named because a chart runs it.
func (n *naming) charts(ctx context.Context, h *manifests.Helm) error {
	list := slices.Clone(h.Local)
	for i, r := range h.Repositories {
		if len(r.Charts) == 0 {
			n.note("delete.helm.repositories[%d]: which charts it had is not known here: name them", i)
		}
		list = append(list, r.Charts...)
	}
	if len(list) == 0 {
		return nil
	}
	found, images, unread := make([]bool, len(list)), map[place]bool{}, ""
	for _, img := range n.images {
		if !img.itself || !img.is(manifests.OriginChart) {
			continue
		}
		c, i, err := n.chart(ctx, img, list)
		switch {
		case err != nil && c == nil:
			return err
		case c == nil: // an image
		case i < 0 && err != nil:
			unread = img.ref(n.host).String()
		case i < 0:
			n.share(c.Images)
		default:
			found[i] = true
			n.nameChart(img, c, images)
			if err != nil {
				n.note("delete.helm: the chart %s cannot be rendered, so not all of its images are known: name them under delete.additionalImages: %s", text.ASCII(c.Name+" "+c.Version), text.OneLine(err.Error()))
			}
		}
	}
	if unread != "" {
		for at := range images {
			n.shared[at] = true
		}
		n.note("delete.helm: the images of charts stay: the chart %s cannot be rendered, and it may run them", unread)
	}
	n.missingCharts(list, found)
	return nil
}

func (n *naming) missingCharts(list []manifests.Chart, found []bool) {
	for i, c := range list {
		what := strings.TrimSpace(c.Name + " " + c.Version)
		switch {
		case what == "":
			n.note("delete.helm: which chart %s was is not known here: name it", text.ASCII(c.Path))
		case !found[i]:
			n.note("delete.helm: no receipt has the chart %s", text.ASCII(what))
		default:
			n.note("delete.helm: of the chart %s, the images are named that it runs with its own values: name others under delete.additionalImages", text.ASCII(what))
		}
	}
}

// chart reads a chart of the mirror, and finds its place in the configuration: -1 for none.
// It is nil for what is no chart, or is not there.
func (n *naming) chart(ctx context.Context, img *image, list []manifests.Chart) (*manifests.ChartContents, int, error) {
	root, src, err := n.served(ctx, img.place)
	if err != nil || root.Digest == "" {
		return nil, -1, err
	}
	var paths []string
	for _, c := range list {
		paths = append(paths, c.ImagePaths...)
	}
	c, err := manifests.ReadChart(ctx, n.render, src, root, text.Sorted(paths))
	var foreign *oci.UnsupportedError
	switch {
	case c == nil && (errors.As(err, &foreign) || isFinal(ctx, err)):
		return nil, -1, nil
	case c == nil:
		return nil, -1, fmt.Errorf("read the chart %s: %w", img.ref(n.host), err)
	}
	return c, slices.IndexFunc(list, func(o manifests.Chart) bool {
		return o.Name == c.Name && (o.Version == "" || strings.TrimPrefix(o.Version, "v") == strings.TrimPrefix(c.Version, "v"))
	}), err
}

// nameChart names a chart with its images, and notes those.
func (n *naming) nameChart(img *image, c *manifests.ChartContents, images map[place]bool) {
	n.name(img.place, manifests.OriginChart)
	for _, tag := range img.tags {
		n.tags[tagged{img.repo, tag}] = true
	}
	for _, ref := range c.Images {
		for _, at := range n.placesOf(ref) {
			n.name(at, manifests.OriginChart)
			images[at] = true
			if ref.Digest == "" {
				n.tags[tagged{at.repo, ref.Tag}] = true
			}
		}
	}
}

// share has images stay.
func (n *naming) share(refs []oci.Ref) {
	for _, ref := range refs {
		for _, at := range n.placesOf(ref) {
			n.shared[at] = true
		}
	}
}
