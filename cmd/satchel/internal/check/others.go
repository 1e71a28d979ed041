package check

import (
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// noteOthers names the registries that gave images and that are no place of the mirror: rules that the cluster
// has of its own lead there. It may be a mirror outside.
func (c *checking) noteOthers() {
	known := append(c.mirrorHosts(), c.Audit.Inside...)
	if len(known) == 0 && c.Handover == nil { // nobody knows which is the mirror
		return
	}
	if h := c.Handover; h != nil {
		for _, at := range h.Nodes.Mirrors() {
			host, _, _ := strings.Cut(at, "/")
			known = append(known, host)
		}
		for _, n := range h.Named {
			known = append(known, n.Image.Registry)
		}
	}
	gave := map[string]int{}
	for _, img := range c.report.Images {
		if host, _, _ := strings.Cut(img.Place, "/"); host != "" && !slices.Contains(known, host) {
			gave[host]++
		}
	}
	for _, host := range slices.Sorted(maps.Keys(gave)) {
		c.report.Notes = append(c.report.Notes, text.Count(gave[host], "image", "images")+" came from "+host+", which is no place of the mirror: a rule of the cluster's own leads there. Whether nodes reach it after the cut is not known; if they do, name it: --inside "+host)
	}
}
