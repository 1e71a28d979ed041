package draft

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/needed"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci/text"
)

// pkg is what clusters have of a package of one catalog.
type pkg struct {
	channels map[string]*semver.Version // the lowest that is installed; nil where nothing is known
	high     map[string]semver.Version
	has      []string // "east has 5.9.2"
	open     bool     // some Subscription names no channel
}

// catalog is what clusters have of one catalog.
type catalog struct {
	packages map[string]*pkg
	clusters []string
	mirrored bool // it is in a mirror, and where it came from is not known
	guessed  bool // its tag is that of the version that a cluster runs
}

// operators writes the catalogs, each with the packages that are installed. One that nobody can tell
// the name of outside is commented out.
func (w *writer) operators() {
	catalogs := map[string]*catalog{}
	for i, s := range w.list {
		for _, one := range needed.Of([]*cluster.State{s}).Installed {
			for _, image := range w.catalogs(w.runs[i], one) {
				c := catalogs[image]
				if c == nil {
					c = &catalog{packages: map[string]*pkg{}, mirrored: one.Mirrored}
					catalogs[image] = c
				}
				c.add(one)
			}
		}
	}
	if len(catalogs) == 0 {
		return
	}
	known := slices.DeleteFunc(slices.Sorted(maps.Keys(catalogs)), func(image string) bool { return catalogs[image].mirrored })
	if len(known) > 0 {
		w.any = true
		w.line(1, "operators:")
		for _, image := range known {
			w.catalog(image, catalogs[image])
		}
	}
	for _, image := range slices.Sorted(maps.Keys(catalogs)) {
		c := catalogs[image]
		if !c.mirrored {
			continue
		}
		w.note(1, "the catalog %s of cluster %s is in a mirror, and nothing in the cluster says where it came from: put its name outside, with its tag, after \"catalog:\", and take away the # of the lines below", image, text.And(text.Sorted(c.clusters)))
		w.off = "# "
		if len(known) == 0 {
			w.line(1, "operators:")
		}
		w.catalog(image, c)
		w.off = ""
	}
}

// add takes what is installed from a catalog.
func (c *catalog) add(one imageset.Installed) {
	p := c.packages[one.Package]
	if p == nil {
		p = &pkg{channels: map[string]*semver.Version{}, high: map[string]semver.Version{}}
		c.packages[one.Package] = p
	}
	p.add(one)
	c.clusters = append(c.clusters, one.Cluster)
	c.guessed = c.guessed || one.Image == "" && !isDefault(one.Catalog)
}

func isDefault(repo string) bool {
	return slices.ContainsFunc(origin.DefaultCatalogs, func(d origin.DefaultCatalog) bool { return d.Repository == repo })
}

// catalog writes one catalog.
func (w *writer) catalog(image string, c *catalog) {
	if w.later(image) {
		w.line(1, "# For after the update. A later catalog may lack a channel: name another one then.")
	}
	if c.guessed {
		w.line(1, "# The cluster has it by digest: the tag is a guess, look whether there is one.")
	}
	w.line(1, "- catalog: %s", quoted(image))
	w.line(2, "packages:")
	for _, name := range slices.Sorted(maps.Keys(c.packages)) {
		w.pkg(name, c.packages[name])
	}
}

// catalogs are the images to take an operator from: the one that the cluster has, and those of the
// minor versions that it is to be updated to.
func (w *writer) catalogs(r runs, one imageset.Installed) (images []string) {
	image := one.Image
	if image == "" && one.Catalog != "" && r.known {
		image = one.Catalog + tagOf(updatepath.MinorOf(r.version))
	}
	if image == "" {
		w.notes = append(w.notes, fmt.Sprintf("not in the configuration: operator %s of cluster %s: the image of its catalog is not known", one, r.name))
		return nil
	}
	images = []string{image}
	if repo, ok := strings.CutSuffix(image, tagOf(updatepath.MinorOf(r.version))); ok && w.target != nil {
		for _, next := range w.way(r.version) {
			images = append(images, repo+tagOf(next))
		}
	}
	return images
}

// later reports whether a catalog is that of a minor version that no cluster runs yet.
func (w *writer) later(image string) bool {
	if w.target == nil {
		return false
	}
	for _, r := range w.runs {
		if strings.HasSuffix(image, tagOf(updatepath.MinorOf(r.version))) {
			return false
		}
	}
	return slices.ContainsFunc(w.way(w.lowest()), func(v updatepath.Minor) bool { return strings.HasSuffix(image, tagOf(v)) })
}

// way lists the minor versions that follow one, up to the target's.
func (w *writer) way(from semver.Version) []updatepath.Minor {
	list, _ := updatepath.Way(updatepath.MinorOf(from), updatepath.MinorOf(*w.target))
	return list
}

func tagOf(m updatepath.Minor) string { return ":v" + m.String() }

func (p *pkg) add(one imageset.Installed) {
	p.open = p.open || one.Channel == ""
	low, known := p.channels[one.Channel]
	v, err := semver.Parse(one.Version)
	switch {
	case err != nil && !known:
		p.channels[one.Channel] = nil
	case err == nil && (low == nil || v.LT(*low)):
		p.channels[one.Channel] = &v
	}
	if err == nil && v.GT(p.high[one.Channel]) {
		p.high[one.Channel] = v
	}
	has := "nothing yet"
	if one.Bundle != "" {
		has = cmp.Or(one.Version, one.Bundle)
	}
	p.has = append(p.has, text.ASCII(one.Cluster)+" has "+has)
}

// lowest is the lowest version that is installed, from whatever channel.
func (p *pkg) lowest() (low *semver.Version) {
	for _, v := range p.channels {
		if v != nil && (low == nil || v.LT(*low)) {
			low = v
		}
	}
	return low
}

// pkg writes a package: of each channel what leads from the lowest version to the head.
func (w *writer) pkg(name string, p *pkg) {
	w.line(2, "# %s.", strings.Join(text.Sorted(p.has), ", "))
	w.line(2, "- name: %s", quoted(name))
	if p.open {
		w.line(3, "# A Subscription names no channel, so all channels are carried.")
		if low := p.lowest(); low != nil {
			w.line(3, "minVersion: %s", quoted(low.String()))
		}
		return
	}
	channels := slices.Sorted(maps.Keys(p.channels))
	def := slices.MaxFunc(channels, func(a, b string) int {
		return cmp.Or(p.high[a].Compare(p.high[b]), cmp.Compare(a, b))
	})
	w.line(3, "defaultChannel: %s", quoted(def))
	w.line(3, "channels:")
	for _, ch := range channels {
		w.line(3, "- name: %s", quoted(ch))
		if low := p.channels[ch]; low != nil {
			w.line(4, "minVersion: %s", quoted(low.String()))
		}
	}
}
