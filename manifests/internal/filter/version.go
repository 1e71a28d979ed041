package filter

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// version is a bundle's version with its release.
type version struct {
	semver.Version
	release []semver.PRVersion // nil for none
}

func versionOf(b *declcfg.Bundle) (version, error) {
	v, err := b.CompositeVersion()
	if err != nil {
		return version{}, err
	}
	return version{v.Version, v.Release.Pre}, nil
}

func (v version) String() string {
	if len(v.release) == 0 {
		return v.Version.String()
	}
	return v.Version.String() + "-" + identifiers(v.release)
}

func identifiers(list []semver.PRVersion) string {
	var out []string
	for _, p := range list {
		out = append(out, p.String())
	}
	return strings.Join(out, ".")
}

// compare orders bundles: by version, release, and then by build metadata, which
// semantic versions do not order and catalogs do.
func (v version) compare(o version) int {
	if c := v.Version.Compare(o.Version); c != 0 {
		return c
	}
	switch {
	case len(v.release) > 0 && len(o.release) == 0:
		return 1
	case len(v.release) == 0 && len(o.release) > 0:
		return -1
	}
	if c := comparePre(v.release, o.release); c != 0 {
		return c
	}
	return compareBuild(v.Build, o.Build)
}

// comparePre orders releases as semver orders what follows a dash.
func comparePre(a, b []semver.PRVersion) int {
	if len(a) == 0 && len(b) == 0 {
		return 0
	}
	return semver.Version{Pre: a}.Compare(semver.Version{Pre: b})
}

// compareBuild orders build metadata by its parts, numbers as such.
func compareBuild(a, b []string) int {
	for i := range min(len(a), len(b)) {
		x, xerr := strconv.ParseUint(a[i], 10, 64)
		y, yerr := strconv.ParseUint(b[i], 10, 64)
		c := strings.Compare(a[i], b[i])
		if xerr == nil && yerr == nil {
			c = cmp.Compare(x, y)
		}
		if c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

// Range is a range of versions; an empty bound is none.
type Range struct{ Min, Max string }

// Check says what is wrong with the bounds, in words that follow the name of the
// range.
func (r Range) Check() error {
	_, err := r.parse()
	return err
}

// Has reports whether a version, with its release, is in the range.
func (r Range) Has(v, release string) bool {
	b, err := r.parse()
	if _, verr := semver.Parse(v); err != nil || verr != nil {
		return false
	}
	return b.has(parse(v, release))
}

// bounds are what a [Range] says.
type bounds struct{ min, max *semver.Version }

// ParseVersion reads a bound: a semantic version. A leading v and missing numbers at
// the end are accepted.
func ParseVersion(s string) (semver.Version, error) { return semver.ParseTolerant(s) }

func (r Range) parse() (b bounds, err error) {
	for _, one := range []struct {
		name, text string
		to         **semver.Version
	}{{"minVersion", r.Min, &b.min}, {"maxVersion", r.Max, &b.max}} {
		if one.text == "" {
			continue
		}
		v, err := ParseVersion(one.text)
		if err != nil {
			return bounds{}, fmt.Errorf("%s %.100q is not a version such as 4.15.0", one.name, one.text)
		}
		*one.to = &v
	}
	if b.min != nil && b.max != nil && b.min.Compare(*b.max) > 0 {
		return bounds{}, fmt.Errorf("minVersion %s is higher than maxVersion %s", r.Min, r.Max)
	}
	return b, nil
}

// exact reports whether the bounds are one version, and v is that and no other.
func (b bounds) exact(v version) bool {
	return b.min != nil && b.max != nil && b.min.String() == b.max.String() && v.against(*b.min) == 0
}

func (b bounds) has(v version) bool {
	return (b.min == nil || v.against(*b.min) >= 0 || v.suffixed(*b.min)) && (b.max == nil || v.against(*b.max) <= 0)
}

// prereleases begin the words that say that a version comes before its release.
// Catalogs use other suffixes for versions that are released, as 4.15.0-rhodf.
var prereleases = []string{"alpha", "beta", "rc", "pre", "dev", "snapshot", "nightly", "ci", "next", "canary"}

// suffixed reports whether v is the bound with a suffix that does not mean a prerelease;
// semver would order it before the bound.
func (v version) suffixed(bound semver.Version) bool {
	if len(bound.Pre) > 0 || len(v.Pre) == 0 || v.Major != bound.Major || v.Minor != bound.Minor || v.Patch != bound.Patch {
		return false
	}
	word := strings.ToLower(v.Pre[0].String())
	return !slices.ContainsFunc(prereleases, func(p string) bool { return strings.HasPrefix(word, p) })
}

// against compares with a bound. What the bound does not name, a release or build
// metadata, is not compared.
func (v version) against(bound semver.Version) int {
	core := semver.Version{Major: bound.Major, Minor: bound.Minor, Patch: bound.Patch}
	if len(v.release) > 0 && len(v.Pre) == 0 && len(bound.Pre) > 0 && v.Version.Compare(core) == 0 {
		return comparePre(v.release, bound.Pre) // a version written with its release
	}
	if c := v.Version.Compare(bound); c != 0 || len(bound.Build) == 0 {
		return c
	}
	return compareBuild(v.Build, bound.Build)
}
