package emit

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// labelPattern is a DNS-1035 label, as names of CatalogSources are: OLM names a
// Service after each.
var labelPattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// nameCatalogs gives every catalog a name that the next bundle's has too, so that
// it is replaced: the one of the default catalog that it stands for, else its
// repository's last word. Of several versions the highest has that name, so that
// Subscriptions follow it, and the others have their tags at the end; so have
// catalogs of different repositories that would share one. Further entries of one
// catalog are called as their places in the mirror are. Catalogs for a later version than the
// cluster runs are kept apart: see nameLater.
func (e *emission) nameCatalogs() error {
	for _, img := range e.images {
		if img.Origin != origin.Catalog || img.Subject != "" || e.hasCatalog(img) {
			continue
		}
		e.catalogs = append(e.catalogs, catalogObject{image: img})
	}
	slices.SortStableFunc(e.catalogs, func(a, b catalogObject) int { return compareEntries(a.image, b.image) })
	used := e.namesByHand()
	e.keepLater()
	e.keepNames()
	e.namePlainly()
	for i := range e.catalogs {
		c := &e.catalogs[i]
		c.file = "catalogsource-" + c.name + ".yaml"
	}
	e.nameLater()
	return e.checkCatalogNames(used)
}

// namePlainly gives names to the catalogs that have none.
func (e *emission) namePlainly() {
	byName := map[string][]catalogObject{}
	for _, c := range e.catalogs {
		if c.name == "" {
			name := e.plainName(c.image.Source)
			byName[name] = append(byName[name], c)
		}
	}
	for i := range e.catalogs {
		c := &e.catalogs[i]
		if c.name != "" {
			continue
		}
		c.name = e.plainName(c.image.Source)
		if first, ok := plainName(byName[c.name]); ok && !e.namedByHand(c.name) && compareEntries(first, c.image) == 0 {
			c.fixed = true
		} else {
			c.name = e.furtherName(c.image, c.name)
		}
	}
	e.separateNames()
}

// namesByHand gives catalogs the names that the site has for them, and reports which
// of those are used. The most specific key of a catalog counts.
func (e *emission) namesByHand() (used map[string]bool) {
	used = map[string]bool{}
	for i := range e.catalogs {
		c, most := &e.catalogs[i], 0
		for _, key := range slices.Sorted(maps.Keys(e.site.CatalogNames)) {
			rank := slices.Index(keysOf(c.image), text.ASCII(key)) + 1
			if rank > 0 {
				used[key], c.fixed = true, true
			}
			if rank > most {
				c.name, most = e.site.CatalogNames[key], rank
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
func (e *emission) furtherName(img oci.Image, name string) string {
	twice := func(c catalogObject) bool {
		return c.image.Configured() == img.Configured() && compareEntries(c.image, img) != 0
	}
	if slices.ContainsFunc(e.catalogs, twice) {
		if img.Path != "" {
			return label(lastWord(img.Path))
		}
		return label(name + "-" + cmp.Or(strings.Join(img.Tags, "-"), versionOf(img)))
	}
	return label(name + "-" + versionOf(img))
}

// separateNames adds a hash to names that catalogs still share, so that pack, which
// cannot ask for names, never fails.
func (e *emission) separateNames() {
	count := map[string]int{}
	for _, c := range e.catalogs {
		count[c.name]++
	}
	for i := range e.catalogs {
		if c := &e.catalogs[i]; count[c.name] > 1 && !c.fixed {
			const most, digits = 63, 8
			identity := append([]string{c.image.Configured().String(), c.image.Path}, c.image.Tags...)
			c.name = c.name[:min(len(c.name), most-digits-1)] + "-" + oci.Digest([]byte(strings.Join(identity, " "))).Encoded()[:digits]
		}
	}
}

// namedByHand reports whether the site gives some catalog this name.
func (e *emission) namedByHand(name string) bool {
	return slices.Contains(slices.Collect(maps.Values(e.site.CatalogNames)), name)
}

// plainName picks which of the catalogs that want one name gets it: the highest
// version of the default catalog of that name or, where all are versions of one
// catalog, of that; of several entries of it the first. It is false for none.
func plainName(list []catalogObject) (oci.Image, bool) {
	isDefault := func(c catalogObject) bool { return defaultCatalogs[c.image.Source.Name()].name != "" }
	if slices.ContainsFunc(list, isDefault) {
		list = slices.DeleteFunc(slices.Clone(list), func(c catalogObject) bool { return !isDefault(c) })
	}
	for _, c := range list {
		if c.image.Source.Name() != list[0].image.Source.Name() {
			return oci.Image{}, false
		}
	}
	return slices.MaxFunc(list, func(a, b catalogObject) int {
		return cmp.Or(origin.CompareVersions(a.image.Source.Tag, b.image.Source.Tag), cmp.Compare(a.image.Configured().String(), b.image.Configured().String()))
	}).image, true
}

func (e *emission) checkCatalogNames(used map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(e.site.CatalogNames)) {
		if name := e.site.CatalogNames[key]; !labelPattern.MatchString(name) {
			return &SiteError{Field: "CatalogNames", Msg: fmt.Sprintf("catalog name %q for %s: it must have at most 63 small letters, digits and hyphens; the first is a letter, the last a letter or digit", name, key)}
		}
		if !used[key] {
			return &SiteError{Field: "CatalogNames", Msg: fmt.Sprintf("a name was given for the catalog %q, but the bundle has no such catalog", key), hint: "it has: " + e.listCatalogs()}
		}
	}
	for _, list := range e.atOnce() {
		if err := checkApart(list); err != nil {
			return err
		}
	}
	return nil
}

// checkApart checks that catalogs which a cluster has together have different names.
func checkApart(list []catalogObject) error {
	taken := map[string]oci.Image{}
	for _, c := range list {
		if other, ok := taken[c.name]; ok {
			key := c.image.Configured().String()
			if list := keysOf(c.image); other.Configured() == c.image.Configured() {
				key = list[len(list)-1]
			}
			return &SiteError{
				Field: "CatalogNames",
				Msg:   fmt.Sprintf("the catalogs %s and %s would both be the CatalogSource %s", other.Configured(), c.image.Configured(), c.name),
				hint:  fmt.Sprintf("give one of them another name, for example %s=NAME", key),
			}
		}
		taken[c.name] = c.image
	}
	return nil
}

func (e *emission) listCatalogs() string {
	var list []string
	for _, c := range slices.Concat(e.catalogs, e.later) {
		list = append(list, c.image.Configured().String())
	}
	return cmp.Or(strings.Join(list, ", "), "none")
}

// plainName is a catalog's name if no other one has it. A hosted cluster deletes what has the name
// of a default catalog while those are off, and writes over it while they are on (openshift/hypershift,
// hostedclusterconfigoperator, reconcileOLM), so that there it is another one.
func (e *emission) plainName(source oci.Ref) string {
	name := catalogName(source)
	if e.hosted() && isDefault(name) {
		return "satchel-" + name
	}
	return name
}

// catalogName is the name of the default catalog that one stands for, else its repository's.
func catalogName(source oci.Ref) string {
	if d, ok := defaultCatalogs[source.Name()]; ok {
		return d.name
	}
	return label(lastWord(source.Repository))
}

func lastWord(repository string) string { return repository[strings.LastIndexByte(repository, '/')+1:] }

// versionOf distinguishes versions of one catalog: the tag, else the first 12 digits of the digest.
func versionOf(img oci.Image) string {
	if img.Source.Tag != "" {
		return img.Source.Tag
	}
	return img.Configured().Digest.Encoded()[:12]
}

// label makes a DNS-1123 label of a name. A letter comes first, because OLM names
// a Service after the CatalogSource, and those need one (DNS-1035).
func label(s string) string {
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
