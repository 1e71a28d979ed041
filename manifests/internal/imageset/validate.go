package imageset

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/oci"
)

var (
	targetPath = regexp.MustCompile(`^[a-z0-9]+((?:[._]|__|-*)[a-z0-9]+)*(/[a-z0-9]+((?:[._]|__|-*)[a-z0-9]+)*)*$`)
	TargetTag  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\w[\w.-]{0,127}$`) }) // OCI distribution-spec, "Pulling manifests"

	platformPart = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9._-]{1,64}$`) })

	ReleaseTypes  = []string{"ocp", "okd"}
	architectures = []string{"amd64", "arm64", "ppc64le", "s390x", "multi"}
)

// maxArchiveSize keeps ArchiveSize, in bytes, within an int64.
const maxArchiveSize = 1<<33 - 1

// validate checks what a file that could be read says: that it does not
// contradict itself, as oc-mirror does, and that what names something has a name.
func (c *Config) validate() error {
	p := c.Problems()
	if _, ok := c.places["mirror"]; !ok {
		p.Add("mirror", "mirror is missing; it says what to carry")
	}
	if c.ArchiveSize < 0 || c.ArchiveSize > maxArchiveSize {
		p.Add("archiveSize", "archiveSize is %d; it is a size in GiB", c.ArchiveSize)
	}
	c.Mirror.validate(p, "mirror")
	for i, b := range c.Mirror.BlockedImages {
		path := fmt.Sprintf("mirror.blockedImages[%d].name", i)
		if p.required(path, b.Name) {
			if _, err := regexp.Compile(b.Name); err != nil {
				p.Add(path, "%s is not a regular expression: %v", path, err)
			}
		}
	}
	return p.Join()
}

// validate checks what a configuration names, below the key root.
func (m *Mirror) validate(p *Problems, root string) {
	m.Platform.validate(p, root+".platform")
	seen := names{}
	for i, o := range m.Operators {
		o.validate(p, fmt.Sprintf("%s.operators[%d]", root, i), seen)
	}
	for i, a := range m.AdditionalImages {
		a.validate(p, fmt.Sprintf("%s.additionalImages[%d]", root, i))
	}
	for i, r := range m.Helm.Repositories {
		validateCharts(p, fmt.Sprintf("%s.helm.repositories[%d].charts", root, i), r.Charts)
	}
	validateCharts(p, root+".helm.local", m.Helm.Local)
}

func (p *Problems) target(path, repo, tagPath, tag string) {
	if repo != "" && !targetPath.MatchString(repo) {
		p.Add(path, "%s is %q; it must be a path such as ns/name, without registry, tag and digest", path, repo)
	}
	if tag != "" && !TargetTag().MatchString(tag) {
		p.Add(tagPath, "%s is %q, which is not a tag", tagPath, tag)
	}
}

func (p *Problems) platforms(path string, list []InstancePlatform) {
	for i, pf := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		for _, part := range []struct{ path, name string }{{at + ".os", pf.OS}, {at + ".architecture", pf.Architecture}} {
			if p.required(part.path, part.name) && !platformPart().MatchString(part.name) {
				p.Add(part.path, "%s is %q; a platform is written as os: linux and architecture: amd64", part.path, part.name)
			}
		}
	}
}

func (pf *Platform) validate(p *Problems, path string) {
	if pf.Release != "" {
		if _, err := oci.ParseRef(pf.Release); err != nil {
			p.Add(path+".release", "%s.release: %v", path, err)
		}
	}
	if len(pf.Architectures) > 0 && len(pf.Platforms) > 0 {
		p.Add(path+".architectures", "%s has both architectures and platforms; use one of them", path)
	}
	for i, a := range pf.Architectures {
		p.oneOf(fmt.Sprintf("%s.architectures[%d]", path, i), a, architectures)
	}
	p.platforms(path+".platforms", pf.Platforms)
	seen := names{}
	for i, ch := range pf.Channels {
		at := fmt.Sprintf("%s.channels[%d]", path, i)
		if p.required(at+".name", ch.Name) {
			p.unique(seen, ch.Name, at+".name")
		}
		if ch.Type != "" {
			p.oneOf(at+".type", ch.Type, ReleaseTypes)
		}
		ch.validate(p, at)
	}
}

func (o *Operator) validate(p *Problems, path string, catalogs names) {
	if p.required(path+".catalog", o.Catalog) {
		o.unique(p, catalogs, path+".catalog")
	}
	p.target(path+".targetCatalog", o.TargetCatalog, path+".targetTag", o.TargetTag)
	p.platforms(path+".platforms", o.Platforms)
	seen := names{}
	for i, pkg := range o.Packages {
		at := fmt.Sprintf("%s.packages[%d]", path, i)
		if p.required(at+".name", pkg.Name) {
			p.unique(seen, pkg.Name, at+".name")
		}
		pkg.validate(p, at)
		if o.Full {
			pkg.noRange(p, at)
		}
	}
}

// place is the catalog with the path and tag it is to have in the mirror.
func (o *Operator) place() string {
	if ref, err := o.Ref(); err == nil && o.IsDirectory() {
		return ref.String()
	}
	name, digest, _ := strings.Cut(o.Catalog, "@")
	tag := ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i:]
	}
	if digest != "" {
		tag += "@" + digest
	}
	if o.TargetCatalog != "" {
		registry, _, _ := strings.Cut(name, "/")
		name = registry + "/" + o.TargetCatalog
	}
	if o.TargetTag != "" {
		tag = ":" + o.TargetTag
	}
	return name + tag
}

func (pkg *Package) validate(p *Problems, path string) {
	seen := names{}
	for i, ch := range pkg.Channels {
		at := fmt.Sprintf("%s.channels[%d]", path, i)
		if p.required(at+".name", ch.Name) {
			p.unique(seen, ch.Name, at+".name")
		}
		if ch.MinVersion+ch.MaxVersion != "" && pkg.MinVersion+pkg.MaxVersion != "" {
			p.Add(at, "%s and its package both have a version range; use one of them", at)
		}
		p.versions(at, ch.MinVersion, ch.MaxVersion)
	}
	p.versions(path, pkg.MinVersion, pkg.MaxVersion)
}

// noRange refuses a range where full asks for every version.
func (pkg *Package) noRange(p *Problems, path string) {
	refuse := func(at, low, high string) {
		if low+high != "" {
			p.Add(at, "%s has a version range, and its catalog has full: true, which takes every version; use one of them", at)
		}
	}
	refuse(path, pkg.MinVersion, pkg.MaxVersion)
	for i, ch := range pkg.Channels {
		refuse(fmt.Sprintf("%s.channels[%d]", path, i), ch.MinVersion, ch.MaxVersion)
	}
}

// versions checks a range of operator versions.
func (p *Problems) versions(path, low, high string) {
	if err := (filter.Range{Min: low, Max: high}).Check(); err != nil {
		key := ".minVersion"
		if low == "" || (filter.Range{Min: low}).Check() == nil {
			key = ".maxVersion"
		}
		p.Add(path+key, "%s: %v", path, err)
	}
}

func (a *AdditionalImage) validate(p *Problems, path string) {
	p.required(path+".name", a.Name.Repository)
	p.target(path+".targetRepo", a.TargetRepo, path+".targetTag", a.TargetTag)
	p.platforms(path+".platforms", a.Platforms)
}

func validateCharts(p *Problems, path string, charts []Chart) {
	for i, ch := range charts {
		p.platforms(fmt.Sprintf("%s[%d].platforms", path, i), ch.Platforms)
	}
}

var channelPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`) })

// validate checks the versions of a channel as far as that needs no graph.
func (ch *ReleaseChannel) validate(p *Problems, path string) {
	if ch.Name != "" && !channelPattern().MatchString(ch.Name) {
		p.Add(path+".name", "%s.name is %q, which is not the name of a channel", path, ch.Name)
	}
	low, lerr := semver.Parse(ch.MinVersion)
	high, herr := semver.Parse(ch.MaxVersion)
	if ch.MinVersion != "" && lerr != nil {
		p.Add(path+".minVersion", "%s.minVersion is %q; a version is written as 4.18.1", path, ch.MinVersion)
	}
	if ch.MaxVersion != "" && herr != nil {
		p.Add(path+".maxVersion", "%s.maxVersion is %q; a version is written as 4.18.1", path, ch.MaxVersion)
	}
	if lerr == nil && herr == nil && low.GT(high) {
		p.Add(path+".minVersion", "%s: minVersion %s is above maxVersion %s", path, low, high)
	}
}
