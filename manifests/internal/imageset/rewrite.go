package imageset

import (
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"go.yaml.in/yaml/v3"

	"github.com/satchel-airgap/satchel/oci"
)

// rewrite changes what oc-mirror v1 read in another way than v2 does.
func (c *converter) rewrite(n *yaml.Node, t reflect.Type, at string) {
	switch t {
	case reflect.TypeFor[Operator]():
		c.targetName(n, at)
		c.catalog(n, at)
		c.full(n, at)
	case reflect.TypeFor[Package]():
		c.packageRange(n, at)
	case reflect.TypeFor[AdditionalImage]():
		c.complete(n, "name", at)
	case reflect.TypeFor[ReleaseChannel]():
		if v := valueOf(n, "type"); v != nil && v.Value != strings.ToLower(v.Value) {
			v.Value = strings.ToLower(v.Value)
		}
	}
}

// targetName makes a targetCatalog of it.
func (c *converter) targetName(n *yaml.Node, at string) {
	i := indexOf(n, "targetName")
	if i < 0 {
		return
	}
	if indexOf(n, "targetCatalog") >= 0 {
		c.remove(n, "targetName", at, "targetCatalog is there too, and oc-mirror v1 took that")
		return
	}
	key, value := n.Content[i], n.Content[i+1]
	was := textOf(n, "targetName")
	name := was
	if ref, err := oci.ParseRef(strings.TrimSuffix(fullName(textOf(n, "catalog")), "/")); err == nil {
		name = path.Join(path.Dir(ref.Repository), was)
	}
	if !targetPath.MatchString(name) {
		c.remove(n, "targetName", at, "it cannot be a repository's path; name one with targetCatalog")
		return
	}
	key.Value, value.Value = "targetCatalog", name
	c.note(key, "%s.targetName %s becomes targetCatalog %s", at, was, name)
}

// catalog writes a directory as oci://PATH, and completes a reference.
func (c *converter) catalog(n *yaml.Node, at string) {
	v := valueOf(n, "catalog")
	if v == nil {
		return
	}
	rest, ok := strings.CutPrefix(v.Value, "oci:")
	switch {
	case !ok:
		c.complete(n, "catalog", at)
	case !strings.HasPrefix(rest, "//"):
		c.note(v, "%s.catalog %s becomes %s", at, v.Value, SchemeOCI+rest)
		v.Value = SchemeOCI + rest
	}
}

// complete writes out the registry and the tag that oc-mirror v1 took for a short name.
func (c *converter) complete(n *yaml.Node, key, at string) {
	v := valueOf(n, key)
	if v == nil || v.Kind != yaml.ScalarNode {
		return
	}
	if full := fullName(v.Value); full != v.Value {
		c.note(v, "%s %s becomes %s", below(at, key), v.Value, full)
		v.Value = full
	}
}

// fullName is a reference with its registry and tag; what is no reference stays as it is.
func fullName(s string) string {
	if _, err := oci.ParseRef(s); err == nil {
		return s
	}
	named, err := reference.ParseNormalizedNamed(strings.TrimPrefix(s, "docker://"))
	if err != nil {
		return s
	}
	full := reference.TagNameOnly(named).String()
	if _, err := oci.ParseRef(full); err != nil {
		return s
	}
	return full
}

// ranged reports whether a mapping has a range of versions.
func ranged(n *yaml.Node) bool { return textOf(n, "minVersion")+textOf(n, "maxVersion") != "" }

// full takes out full: true beside ranges: for oc-mirror v1 it said that heads which no
// range names are not carried, as is so in v2 without it.
func (c *converter) full(n *yaml.Node, at string) {
	if !strings.EqualFold(textOf(n, "full"), "true") {
		return
	}
	for _, pkg := range listOf(n, "packages") {
		if ranged(pkg) || slices.ContainsFunc(listOf(pkg, "channels"), ranged) {
			c.remove(n, "full", at, "a package has a version range, and v2alpha1 does not allow both; packages without one carry their channels' heads")
			return
		}
	}
}

// packageRange moves the range of a package to those of its channels that have none,
// where others have one: v2alpha1 does not allow both.
func (c *converter) packageRange(n *yaml.Node, at string) {
	channels := listOf(n, "channels")
	if !ranged(n) || !slices.ContainsFunc(channels, ranged) {
		return
	}
	without := slices.DeleteFunc(slices.Clone(channels), ranged)
	for _, key := range []string{"minVersion", "maxVersion"} {
		i := indexOf(n, key)
		if i < 0 {
			continue
		}
		for _, ch := range without {
			ch.Content = append(ch.Content, n.Content[i], n.Content[i+1])
		}
	}
	for _, key := range []string{"minVersion", "maxVersion"} {
		c.remove(n, key, at, "channels have version ranges of their own; those without one get it")
	}
}
