package catalog

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// ignoreFile names the files that say which files do not count
// (operator-registry, alpha/declcfg, WalkFS).
const ignoreFile = ".indexignore"

// packages makes the index of the files that count: packages by name, whole.
func (b *builder) packages(dir string) ([]Package, error) {
	counts, err := b.counting(dir)
	if err != nil {
		return nil, err
	}
	if err := b.faults(counts); err != nil {
		return nil, err
	}
	b.pkgs = slices.DeleteFunc(b.pkgs, func(r packageRecord) bool { return !counts(r.file) })
	b.chans = slices.DeleteFunc(b.chans, func(r channelRecord) bool { return !counts(r.file) })
	b.bundles = slices.DeleteFunc(b.bundles, func(r bundleRecord) bool { return !counts(r.file) })
	b.spool.sort(counts)
	list, err := b.unique()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, b.refuse("there is no package in its directory %s", dir)
	}
	for _, c := range b.chans {
		p := find(list, c.pkg)
		if p == nil {
			return nil, b.refuse("file %q: channel %q is of package %q, which is missing", "/"+c.file, c.Name, cut(c.pkg))
		}
		p.Channels = append(p.Channels, c.Channel)
	}
	for _, r := range b.bundles {
		p := find(list, r.pkg)
		if p == nil {
			return nil, b.refuse("file %q: bundle %q is of package %q, which is missing", "/"+r.file, r.Name, cut(r.pkg))
		}
		r.Related, r.Provides, r.Requires = b.related(r.related), b.related(r.provides), b.related(r.requires)
		p.Bundles = append(p.Bundles, r.Bundle)
	}
	return list, nil
}

// unique sorts the records and refuses what is defined twice.
func (b *builder) unique() ([]Package, error) {
	slices.SortFunc(b.pkgs, func(x, y packageRecord) int {
		return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.file, y.file))
	})
	slices.SortFunc(b.chans, func(x, y channelRecord) int {
		return cmp.Or(cmp.Compare(x.pkg, y.pkg), cmp.Compare(x.Name, y.Name), cmp.Compare(x.file, y.file))
	})
	slices.SortFunc(b.bundles, func(x, y bundleRecord) int {
		return cmp.Or(cmp.Compare(x.pkg, y.pkg), cmp.Compare(x.Name, y.Name), cmp.Compare(x.file, y.file))
	})
	twice := func(what, first, second string) error {
		return b.refuse("%s is defined twice, in %q and %q", what, "/"+first, "/"+second)
	}
	var list []Package
	for i, p := range b.pkgs {
		if i > 0 && b.pkgs[i-1].name == p.name {
			return nil, twice(fmt.Sprintf("package %q", p.name), b.pkgs[i-1].file, p.file)
		}
		list = append(list, Package{Name: p.name, DefaultChannel: p.channel})
	}
	for i, c := range b.chans {
		if i > 0 && b.chans[i-1].pkg == c.pkg && b.chans[i-1].Name == c.Name {
			return nil, twice(fmt.Sprintf("channel %q of package %q", c.Name, cut(c.pkg)), b.chans[i-1].file, c.file)
		}
	}
	for i, r := range b.bundles {
		if i > 0 && b.bundles[i-1].pkg == r.pkg && b.bundles[i-1].Name == r.Name {
			return nil, twice(fmt.Sprintf("bundle %q of package %q", r.Name, cut(r.pkg)), b.bundles[i-1].file, r.file)
		}
	}
	return list, nil
}

func find(list []Package, name string) *Package {
	i, ok := slices.BinarySearchFunc(list, name, func(p Package, name string) int { return strings.Compare(p.Name, name) })
	if !ok {
		return nil
	}
	return &list[i]
}

// counting says of a file whether any .indexignore leaves it out. The rule is
// operator-registry's own, which wants a file system to ask it.
func (b *builder) counting(dir string) (func(name string) bool, error) {
	ignoring := func(s source) bool { return len(s.ignore) > 0 }
	if !slices.ContainsFunc(b.sources, ignoring) {
		return func(string) bool { return true }, nil
	}
	below := func(name string) string { return strings.TrimPrefix("/"+name, dir+"/") }
	var mem bytes.Buffer
	z := zip.NewWriter(&mem)
	for _, s := range b.sources {
		if !fs.ValidPath(below(s.name)) || strings.Contains(s.name, `\`) {
			return nil, b.refuse("file %q: its name cannot be held against an %s", "/"+s.name, ignoreFile)
		}
		w, err := z.Create(below(s.name)) // all files by name, with the content of ignore files alone
		if err == nil {
			_, err = w.Write(s.ignore)
		}
		if err != nil {
			return nil, b.refuse("file %q: %v", "/"+s.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, b.refuse("its %s: %v", ignoreFile, err)
	}
	root, err := zip.NewReader(bytes.NewReader(mem.Bytes()), int64(mem.Len()))
	if err != nil {
		return nil, b.refuse("its %s: %v", ignoreFile, err)
	}
	parsed := map[string]bool{}
	err = declcfg.WalkFS(root, func(name string, _ *declcfg.DeclarativeConfig, err error) error {
		parsed[name] = true
		return err
	})
	if err != nil {
		return nil, b.refuse("its %s: %v", ignoreFile, plain(err.Error()))
	}
	return func(name string) bool { return parsed[below(name)] || strings.HasSuffix(name, "/"+ignoreFile) }, nil
}
