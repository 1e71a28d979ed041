package operatorhub

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// LabelPattern is a DNS-1035 label, as names of CatalogSources are: OLM names a
// Service after each.
var LabelPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`) })

// nameCatalogs gives every catalog a name that the next bundle's has too, so that
// it is replaced: the one of the default catalog that it stands for, else its
// repository's last word. Of several versions the highest has that name, so that
// Subscriptions follow it, and the others have their tags at the end; so have
// catalogs of different repositories that would share one. Further entries of one
// catalog are called as their places in the mirror are. Catalogs for a later version than the
// cluster runs are kept apart: see nameLater.
func (h *Hub) nameCatalogs() error {
	for _, img := range h.Images {
		if img.Origin != origin.Catalog || img.Subject != "" || h.hasCatalog(img) {
			continue
		}
		h.Catalogs = append(h.Catalogs, CatalogObject{Image: img})
	}
	h.addEarlier()
	slices.SortStableFunc(h.Catalogs, func(a, b CatalogObject) int { return compareEntries(a.Image, b.Image) })
	used := h.namesByHand()
	h.keepLater()
	h.keepNames()
	h.namePlainly()
	for i := range h.Catalogs {
		c := &h.Catalogs[i]
		c.File = "catalogsource-" + c.Name + ".yaml"
	}
	h.nameLater()
	if err := h.checkCatalogNames(used); err != nil {
		return err
	}
	h.leaveOlder()
	h.keepOthers()
	return nil
}

// addEarlier adds catalogs of earlier bundles for later versions than the cluster runs, where this
// bundle has none for such a version.
func (h *Hub) addEarlier() {
	runs, known := h.Minor()
	carried := h.Catalogs
	for _, img := range h.Site.EarlierCatalogs {
		if m, tagged := handover.IndexMinor(img); known && tagged && m.Compare(runs) > 0 && !hasIndex(img, carried, m) {
			h.Catalogs = append(h.Catalogs, CatalogObject{Image: img, past: true})
		}
	}
}

// namePlainly gives names to the catalogs that have none.
func (h *Hub) namePlainly() {
	byName := map[string][]CatalogObject{}
	for _, c := range h.Catalogs {
		if c.Name == "" {
			name := h.plainName(c.Image.Source)
			byName[name] = append(byName[name], c)
		}
	}
	for i := range h.Catalogs {
		c := &h.Catalogs[i]
		if c.Name != "" {
			continue
		}
		c.Name = h.plainName(c.Image.Source)
		if first, ok := plainName(byName[c.Name]); ok && !h.namedByHand(c.Name) && compareEntries(first, c.Image) == 0 {
			c.fixed = true
		} else {
			c.Name = h.furtherName(c.Image, c.Name)
		}
	}
	h.separateNames()
}

// namesByHand gives catalogs the names that the site has for them, and reports which
// of those are used. The most specific key of a catalog counts.
func (h *Hub) namesByHand() (used map[string]bool) {
	used = map[string]bool{}
	for i := range h.Catalogs {
		c, most := &h.Catalogs[i], 0
		for _, key := range slices.Sorted(maps.Keys(h.Site.CatalogNames)) {
			rank := slices.Index(keysOf(c.Image), text.ASCII(key)) + 1
			if rank > 0 {
				used[key], c.fixed = true, true
			}
			if rank > most {
				c.Name, most = h.nameByHand(h.Site.CatalogNames[key]), rank
			}
		}
	}
	return used
}

// keysOf lists what a site may call a catalog by, the most specific last: its repository, its
// reference, the directory that it came from as the configuration has it, and its place
// in the mirror without and with a tag.
func keysOf(img oci.Image) []string {
	list := []string{img.Source.Name(), img.Source.String(), img.Configured().String()}
	for _, r := range img.Reasons {
		if r.Kind == origin.KindCatalog && r.Name != "" && origin.IsLocalCatalog(img) {
			list = append(list, r.Name)
		}
	}
	list = append(list, img.MirrorPath())
	for _, tag := range img.Tags {
		list = append(list, img.MirrorPath()+":"+tag)
	}
	return list
}

// compareEntries orders catalogs by what the configuration says about them, and by
// nothing that was built or found.
func compareEntries(a, b oci.Image) int {
	return cmp.Or(cmp.Compare(a.Configured().String(), b.Configured().String()), cmp.Compare(a.Path, b.Path), slices.Compare(a.Tags, b.Tags))
}

// furtherName is the name of a catalog if another one has the plain name.
func (h *Hub) furtherName(img oci.Image, name string) string {
	twice := func(c CatalogObject) bool {
		return c.Image.Configured() == img.Configured() && compareEntries(c.Image, img) != 0
	}
	if slices.ContainsFunc(h.Catalogs, twice) {
		if img.Path != "" {
			return Label(lastWord(img.Path))
		}
		return Label(name + "-" + cmp.Or(strings.Join(img.Tags, "-"), versionOf(img)))
	}
	return Label(name + "-" + versionOf(img))
}

// separateNames adds a hash to names that catalogs still share, so that pack, which
// cannot ask for names, never fails.
func (h *Hub) separateNames() {
	count := map[string]int{}
	for _, c := range h.Catalogs {
		count[c.Name]++
	}
	for i := range h.Catalogs {
		if c := &h.Catalogs[i]; count[c.Name] > 1 && !c.fixed {
			const most, digits = 63, 8
			identity := append([]string{c.Image.Configured().String(), c.Image.Path}, c.Image.Tags...)
			c.Name = c.Name[:min(len(c.Name), most-digits-1)] + "-" + oci.Digest([]byte(strings.Join(identity, " "))).Encoded()[:digits]
		}
	}
}

// namedByHand reports whether the site gives some catalog this name.
func (h *Hub) namedByHand(name string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(h.Site.CatalogNames)), func(given string) bool { return h.nameByHand(given) == name })
}

// nameByHand is a name that the site has given, but for one that a hosted cluster has for a catalog
// of its own: see [Hub.plainName].
func (h *Hub) nameByHand(given string) string {
	if h.Hosted() && handover.IsDefault(given) {
		return hostedPrefix + given
	}
	return given
}

// hostedPrefix begins names of catalogs that would be those of default ones in a hosted cluster.
const hostedPrefix = "satchel-"

// noteHosted says which names given by hand a hosted cluster would not leave.
func (h *Hub) noteHosted() {
	for _, key := range slices.Sorted(maps.Keys(h.Site.CatalogNames)) {
		if given := h.Site.CatalogNames[key]; h.nameByHand(given) != given {
			h.Note("the CatalogSource of %s is called %s, and not %s as was asked for: this is a hosted cluster, and its control plane deletes or writes over what has the name of a default catalog", key, h.nameByHand(given), given)
		}
	}
}

// plainName picks which of the catalogs that want one name gets it: the highest
// version of the default catalog of that name or, where all are versions of one
// catalog, of that; of several entries of it the first. It is false for none.
func plainName(list []CatalogObject) (oci.Image, bool) {
	isDefault := func(c CatalogObject) bool { return handover.DefaultCatalogs[c.Image.Source.Name()].Name != "" }
	if slices.ContainsFunc(list, isDefault) {
		list = slices.DeleteFunc(slices.Clone(list), func(c CatalogObject) bool { return !isDefault(c) })
	}
	for _, c := range list {
		if c.Image.Source.Name() != list[0].Image.Source.Name() {
			return oci.Image{}, false
		}
	}
	return slices.MaxFunc(list, func(a, b CatalogObject) int {
		return cmp.Or(origin.CompareVersions(a.Image.Source.Tag, b.Image.Source.Tag), cmp.Compare(a.Image.Configured().String(), b.Image.Configured().String()))
	}).Image, true
}

func (h *Hub) checkCatalogNames(used map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(h.Site.CatalogNames)) {
		if name := h.Site.CatalogNames[key]; !LabelPattern().MatchString(name) {
			return &site.SiteError{Field: "CatalogNames", Msg: fmt.Sprintf("catalog name %q for %s: it must have at most 63 small letters, digits and hyphens; the first is a letter, the last a letter or digit", name, key)}
		}
		if !used[key] {
			return &site.SiteError{Field: "CatalogNames", Msg: fmt.Sprintf("a name was given for the catalog %q, but the bundle has no such catalog", key), Advice: "it has: " + h.listCatalogs()}
		}
	}
	for _, list := range h.atOnce() {
		if err := checkApart(list); err != nil {
			return err
		}
	}
	return nil
}

// checkApart checks that catalogs which a cluster has together have different names.
func checkApart(list []CatalogObject) error {
	taken := map[string]oci.Image{}
	for _, c := range list {
		if other, ok := taken[c.Name]; ok {
			key := c.Image.Configured().String()
			if list := keysOf(c.Image); other.Configured() == c.Image.Configured() {
				key = list[len(list)-1]
			}
			return &site.SiteError{
				Field:  "CatalogNames",
				Msg:    fmt.Sprintf("the catalogs %s and %s would both be the CatalogSource %s", other.Configured(), c.Image.Configured(), c.Name),
				Advice: fmt.Sprintf("give one of them another name, for example %s=NAME", key),
			}
		}
		taken[c.Name] = c.Image
	}
	return nil
}

func (h *Hub) listCatalogs() string {
	var list []string
	for _, c := range slices.Concat(h.Catalogs, h.Later, h.Outdated) {
		list = append(list, c.Image.Configured().String())
	}
	return cmp.Or(strings.Join(list, ", "), "none")
}

// plainName is a catalog's name if no other one has it. A hosted cluster deletes what has the name
// of a default catalog while those are off, and writes over it while they are on (openshift/hypershift,
// hostedclusterconfigoperator, reconcileOLM), so that there it is another one.
func (h *Hub) plainName(source oci.Ref) string {
	name := catalogName(source)
	if h.Hosted() && handover.IsDefault(name) {
		return hostedPrefix + name
	}
	return name
}

// catalogName is the name of the default catalog that one stands for, else its repository's.
func catalogName(source oci.Ref) string {
	if d, ok := handover.DefaultCatalogs[source.Name()]; ok {
		return d.Name
	}
	return Label(lastWord(source.Repository))
}

func lastWord(repository string) string { return repository[strings.LastIndexByte(repository, '/')+1:] }

// versionOf distinguishes versions of one catalog: the tag, else the first 12 digits of the digest.
func versionOf(img oci.Image) string {
	if img.Source.Tag != "" {
		return img.Source.Tag
	}
	return img.Configured().Digest.Encoded()[:12]
}

// Label makes a DNS-1123 label of a name. A letter comes first, because OLM names
// a Service after the CatalogSource, and those need one (DNS-1035).
func Label(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	s = strings.TrimLeft(s, "-")
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "cs-" + s
	}
	return strings.TrimRight(s[:min(len(s), 63)], "-")
}
