package manifests

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// labelPattern is a DNS-1035 label, as names of CatalogSources are: OLM names a
// Service after each.
var labelPattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// defaultCatalog is a catalog that every cluster has from the start, as
// operator-marketplace's defaults directory gives it. The priorities decide
// which catalog a dependency is taken from.
type defaultCatalog struct {
	name, displayName string
	priority          int
}

var defaultCatalogs = map[string]defaultCatalog{
	"registry.redhat.io/redhat/redhat-operator-index":    {"redhat-operators", "Red Hat Operators", -100},
	"registry.redhat.io/redhat/certified-operator-index": {"certified-operators", "Certified Operators", -200},
	"registry.redhat.io/redhat/redhat-marketplace-index": {"redhat-marketplace", "Red Hat Marketplace", -300},
	"registry.redhat.io/redhat/community-operator-index": {"community-operators", "Community Operators", -400},
}

// catalogObject is a catalog image and the CatalogSource made of it.
type catalogObject struct {
	named
	image oci.Image
}

// emitCatalogs writes a CatalogSource for each catalog.
func (e *emission) emitCatalogs() error {
	if err := e.nameCatalogs(); err != nil {
		return err
	}
	for _, c := range e.catalogs {
		source := c.image.Source
		if cs, ok := e.template(c, objectOf("operators.coreos.com/v1alpha1", "CatalogSource", c.name, "openshift-marketplace")); ok {
			if err := e.addObject(c.file, modePublic, cs); err != nil {
				return err
			}
			continue
		}
		cs := catalogSource{
			object: objectOf("operators.coreos.com/v1alpha1", "CatalogSource", c.name, "openshift-marketplace"),
			Spec: catalogSourceSpec{
				SourceType: "grpc", Image: e.place(c.image),
				DisplayName: c.name, Publisher: source.Registry + "/" + strings.Split(source.Repository, "/")[0],
			},
		}
		if d, ok := defaultCatalogs[source.Name()]; ok {
			cs.Spec.DisplayName, cs.Spec.Publisher, cs.Spec.Priority = d.displayName, "Red Hat", d.priority
			if version := source.Tag; c.name != d.name && version != "" {
				cs.Spec.DisplayName += " " + version
			}
		}
		if err := e.addObject(c.file, modePublic, cs); err != nil {
			return err
		}
	}
	return nil
}

// nameCatalogs gives every catalog a name that the next bundle's has too, so that
// it is replaced: the one of the default catalog that it stands for, else its
// repository's last word. Of several versions the highest has that name, so that
// Subscriptions follow it, and the others have their tags at the end; so have
// catalogs of different repositories that would share one.
func (e *emission) nameCatalogs() error {
	byName := map[string][]catalogObject{}
	used := map[string]bool{}
	for _, img := range e.images {
		if img.Origin != oci.OriginCatalog || img.Subject != "" || e.hasCatalog(img) {
			continue
		}
		e.catalogs = append(e.catalogs, catalogObject{image: img})
	}
	for i := range e.catalogs {
		c := &e.catalogs[i]
		for _, key := range slices.Sorted(maps.Keys(e.site.CatalogNames)) {
			if isCalled(c.image, key) { // with its tag it comes later, and is for this catalog alone
				c.name, used[key] = e.site.CatalogNames[key], true
			}
		}
		if c.name == "" {
			name := catalogName(c.image.Source)
			byName[name] = append(byName[name], *c)
		}
	}
	for i := range e.catalogs {
		c := &e.catalogs[i]
		if c.name == "" {
			c.name = catalogName(c.image.Source)
			if !e.namedByHand(c.name) && plainName(byName[c.name]) == c.image.Source {
				continue
			}
			c.name = label(c.name + "-" + versionOf(c.image))
		}
	}
	e.settleNames()
	for i := range e.catalogs {
		c := &e.catalogs[i]
		c.file = "catalogsource-" + c.name + ".yaml"
	}
	return e.checkCatalogNames(used)
}

// isCalled reports whether a site means a catalog: by its reference with or without
// the tag, or by the directory that it came from as the configuration has it.
func isCalled(img oci.Image, name string) bool {
	ref, err := oci.ParseRef(name)
	return name == img.Source.Name() || err == nil && img.Is(ref) || isLocal(img) && slices.Contains(img.Why, "catalog "+plain(name))
}

// settleNames sets catalogs that still share a name apart by what they are, so
// that a bundle can always be made.
func (e *emission) settleNames() {
	count := map[string]int{}
	for _, c := range e.catalogs {
		count[c.name]++
	}
	for i := range e.catalogs {
		if c := &e.catalogs[i]; count[c.name] > 1 && !e.namedByHand(c.name) {
			const most, digits = 63, 8
			c.name = c.name[:min(len(c.name), most-digits-1)] + "-" + oci.Digest([]byte(c.image.Source.String())).Encoded()[:digits]
		}
	}
}

// namedByHand reports whether the site gives some catalog this name.
func (e *emission) namedByHand(name string) bool {
	return slices.Contains(slices.Collect(maps.Values(e.site.CatalogNames)), name)
}

// plainName picks which of the catalogs that want one name gets it: the highest
// version of the default catalog of that name or, where all are versions of one
// catalog, of that; the zero value for none.
func plainName(list []catalogObject) oci.Ref {
	isDefault := func(c catalogObject) bool { return defaultCatalogs[c.image.Source.Name()].name != "" }
	if slices.ContainsFunc(list, isDefault) {
		list = slices.DeleteFunc(slices.Clone(list), func(c catalogObject) bool { return !isDefault(c) })
	}
	for _, c := range list {
		if c.image.Source.Name() != list[0].image.Source.Name() {
			return oci.Ref{}
		}
	}
	return slices.MaxFunc(list, func(a, b catalogObject) int {
		return cmp.Or(compareVersions(a.image.Source.Tag, b.image.Source.Tag), cmp.Compare(a.image.Source.String(), b.image.Source.String()))
	}).image.Source
}

// hasCatalog reports whether a catalog was met before under the same reference.
func (e *emission) hasCatalog(img oci.Image) bool {
	return slices.ContainsFunc(e.catalogs, func(c catalogObject) bool { return c.image.Source == img.Source })
}

func (e *emission) checkCatalogNames(used map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(e.site.CatalogNames)) {
		if name := e.site.CatalogNames[key]; !labelPattern.MatchString(name) {
			return &SiteError{Msg: fmt.Sprintf("catalog name %q for %s: a CatalogSource's name has small letters, digits and hyphens, at most 63, a letter first and a letter or digit last", name, key)}
		}
		if !used[key] {
			return &SiteError{Msg: fmt.Sprintf("a name was given for the catalog %q, and no such catalog is carried", key), Hint: "these are: " + e.listCatalogs()}
		}
	}
	taken := map[string]oci.Ref{}
	for _, c := range e.catalogs {
		if other, ok := taken[c.name]; ok {
			return &SiteError{
				Msg:  fmt.Sprintf("the catalogs %s and %s would both be the CatalogSource %s", other, c.image.Source, c.name),
				Hint: fmt.Sprintf("name one: --catalog-name %s=NAME", c.image.Source),
			}
		}
		taken[c.name] = c.image.Source
	}
	return nil
}

func (e *emission) listCatalogs() string {
	var list []string
	for _, c := range e.catalogs {
		list = append(list, c.image.Source.String())
	}
	return cmp.Or(strings.Join(list, ", "), "none")
}

// catalogName is a catalog's name as long as no other wants it.
func catalogName(source oci.Ref) string {
	if d, ok := defaultCatalogs[source.Name()]; ok {
		return d.name
	}
	return label(source.Repository[strings.LastIndexByte(source.Repository, '/')+1:])
}

// versionOf tells two versions of one catalog apart: the tag, else the digest's start.
func versionOf(img oci.Image) string {
	return cmp.Or(img.Source.Tag, img.Root.Digest.Encoded()[:12])
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

// emitHub writes the patch that takes the default catalogs away, where the bundle
// is for more than single images.
func (e *emission) emitHub() error {
	if len(e.catalogs)+len(e.payloads) == 0 {
		return nil
	}
	have := map[string]bool{}
	for _, c := range e.catalogs {
		have[c.name] = true
	}
	var lost []string
	for _, d := range defaultCatalogs {
		if !have[d.name] {
			lost = append(lost, d.name)
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		e.note("no catalog here takes the place of %s: Subscriptions to them stay without a source once the default catalogs are off", strings.Join(lost, ", "))
	}
	return e.addObject(fileHubPatch, modePublic, hubPatch{hubPatchSpec{DisableAllDefaultSources: true}})
}

// switchesHub reports whether the default catalogs are taken away.
func (e *emission) switchesHub() bool { return len(e.catalogs)+len(e.payloads) > 0 }
