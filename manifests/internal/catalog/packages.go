package catalog

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// ignoreFile names the files that say which files do not count
// (operator-registry, alpha/declcfg, WalkFS).
const ignoreFile = ".indexignore"

// packages makes the index of the files that count: packages by name, whole, and what
// could not be read.
func (b *builder) packages(dir string) ([]Package, []FileFault, error) {
	counts, err := b.counting(dir)
	if err != nil {
		return nil, nil, err
	}
	faults := b.fileFaults(dir, counts)
	b.pkgs = slices.DeleteFunc(b.pkgs, func(r packageRecord) bool { return !counts(r.file) })
	b.chans = slices.DeleteFunc(b.chans, func(r channelRecord) bool { return !counts(r.file) })
	b.bundles = slices.DeleteFunc(b.bundles, func(r bundleRecord) bool { return !counts(r.file) })
	b.faults = slices.DeleteFunc(b.faults, func(r faultRecord) bool { return !counts(strings.TrimPrefix(r.File, "/")) })
	b.spool.sort(counts)
	list, err := b.unique()
	if err != nil {
		return nil, nil, err
	}
	if len(list) == 0 {
		return nil, nil, b.nothing(dir, faults)
	}
	orphan := func(file, what, pkg string) {
		faults = append(faults, FileFault{"/" + file, []string{pkg}, fmt.Sprintf("%s is of package %q, which is missing", what, cut(pkg))})
	}
	for _, c := range b.chans {
		if p := find(list, c.pkg); p != nil {
			p.Channels = append(p.Channels, c.Channel)
		} else {
			orphan(c.file, fmt.Sprintf("channel %q", c.Name), c.pkg)
		}
	}
	for _, r := range b.bundles {
		p := find(list, r.pkg)
		if p == nil {
			orphan(r.file, fmt.Sprintf("bundle %q", r.Name), r.pkg)
			continue
		}
		r.Related, r.Provides, r.Requires = b.related(r.related), b.related(r.provides), b.related(r.requires)
		p.Bundles = append(p.Bundles, r.Bundle)
	}
	slices.SortStableFunc(b.faults, func(x, y faultRecord) int { return cmp.Compare(x.File, y.File) })
	for _, r := range b.faults {
		if p := find(list, r.pkg); p != nil {
			p.Faults = append(p.Faults, r.Fault)
		} else {
			faults = append(faults, FileFault{r.File, []string{r.pkg}, fmt.Sprintf("%s %q: %s", r.Schema, r.Name, r.Why)})
		}
	}
	return list, faults[:min(len(faults), maxFaults)], nil
}

// nothing is the error for a catalog without a package.
func (b *builder) nothing(dir string, faults []FileFault) error {
	errs := []error{b.refuse("there is no package in its directory %s", dir)}
	if len(faults) > 0 {
		errs = nil
	}
	for _, f := range faults[:min(len(faults), maxShownFaults)] {
		errs = append(errs, b.refuse("file %q: %s", f.File, f.Why))
	}
	return errors.Join(errs...)
}

// maxShownFaults is how many are reported of a catalog that has nothing else.
const maxShownFaults = 10

// unique sorts the records. Of what is defined twice, the first file counts, and the
// other is a fault.
func (b *builder) unique() ([]Package, error) {
	slices.SortStableFunc(b.pkgs, func(x, y packageRecord) int {
		return cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.file, y.file))
	})
	slices.SortStableFunc(b.chans, func(x, y channelRecord) int {
		return cmp.Or(cmp.Compare(x.pkg, y.pkg), cmp.Compare(x.Name, y.Name), cmp.Compare(x.file, y.file))
	})
	slices.SortStableFunc(b.bundles, func(x, y bundleRecord) int {
		return cmp.Or(cmp.Compare(x.pkg, y.pkg), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Fault, y.Fault), cmp.Compare(x.file, y.file))
	})
	var errs []error
	twice := func(pkg, schema, name, first, second string) bool {
		errs = append(errs, b.blame(second, pkg, schema, name, fmt.Errorf("it is defined twice, in %q and %q", "/"+first, "/"+second)))
		return true
	}
	b.pkgs = compact(b.pkgs, func(x, y packageRecord) bool {
		return x.name == y.name && twice(x.name, declcfg.SchemaPackage, x.name, x.file, y.file)
	})
	b.chans = compact(b.chans, func(x, y channelRecord) bool {
		return x.pkg == y.pkg && x.Name == y.Name && twice(x.pkg, declcfg.SchemaChannel, x.Name, x.file, y.file)
	})
	b.bundles = compact(b.bundles, func(x, y bundleRecord) bool {
		return x.pkg == y.pkg && x.Name == y.Name && twice(x.pkg, declcfg.SchemaBundle, x.Name, x.file, y.file)
	})
	b.spool.unique()
	var list []Package
	for _, p := range b.pkgs {
		list = append(list, Package{Name: p.name, DefaultChannel: p.channel})
	}
	return list, errors.Join(errs...)
}

// compact leaves out of a list what is the same as the last that stays.
func compact[T any](list []T, same func(T, T) bool) []T {
	out := list[:0]
	for _, v := range list {
		if len(out) == 0 || !same(out[len(out)-1], v) {
			out = append(out, v)
		}
	}
	return out
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
	below := func(name string) string { return below(dir, name) }
	var mem bytes.Buffer
	z := zip.NewWriter(&mem)
	for _, s := range b.sources {
		if !fs.ValidPath(below(s.name)) || strings.Contains(s.name, `\`) {
			return nil, b.refuse("file %q: its name cannot be compared with the patterns of an %s", "/"+s.name, ignoreFile)
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
