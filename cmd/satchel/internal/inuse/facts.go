package inuse

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// place is a manifest in a repository of the mirror.
type place struct {
	repo   string
	digest digest.Digest
}

// tagged is a tag in a repository of the mirror.
type tagged struct{ repo, tag string }

// image is a root in one repository, as all receipts together have it.
type image struct {
	place
	origins  []oci.Origin
	subjects []digest.Digest
	tags     []string
	itself   bool // not only as an attachment
}

func (i *image) is(origins ...oci.Origin) bool {
	return slices.ContainsFunc(origins, func(o oci.Origin) bool { return slices.Contains(i.origins, o) })
}

// facts are receipts by what is looked for.
type facts struct {
	images    []*image // those that the newest receipts name first
	of        map[place]*image
	manifests map[digest.Digest][]string // repositories
	indexes   map[string][]digest.Digest // by repository
	tags      map[tagged][]digest.Digest // that a tag was on, the newest first
	sources   map[string][]string        // repositories of the mirror, by that of the source
	byName    map[string][]string        // repositories of the mirror, by the last part of their names
	releases  map[string]bool            // repositories that have releases
	parts     map[string]bool            // repositories that have components of releases
	graphs    map[string]bool            // repositories that have graph images
	mirrors   []oci.Mirror               // as receipts have this one
}

// factsOf takes receipts together.
func factsOf(list []*receipt.Receipt) *facts {
	f := &facts{of: map[place]*image{}, manifests: map[digest.Digest][]string{}, indexes: map[string][]digest.Digest{}, tags: map[tagged][]digest.Digest{},
		sources: map[string][]string{}, byName: map[string][]string{}, releases: map[string]bool{}, parts: map[string]bool{}, graphs: map[string]bool{}}
	for _, r := range receipt.Newest(list) {
		f.mirrors = with(f.mirrors, r.Mirror)
		f.releases[repoOf(r.Mirror, manifests.PathRelease)] = true
		f.parts[repoOf(r.Mirror, manifests.PathComponents)] = true
		f.graphs[repoOf(r.Mirror, manifests.PathGraph)] = true
		for _, img := range r.Images {
			f.add(img)
		}
		for _, m := range r.Manifests {
			f.manifests[m.Digest] = with(f.manifests[m.Digest], m.Repo)
			if oci.IsIndex(m.MediaType) {
				f.indexes[m.Repo] = with(f.indexes[m.Repo], m.Digest)
			}
		}
		for _, repo := range r.Repositories {
			for _, s := range repo.Sources {
				f.sources[s.Name] = with(f.sources[s.Name], repo.Name)
			}
		}
	}
	return f
}

func repoOf(m oci.Mirror, below string) string { return m.Repo(oci.Image{Path: below}).Repository }

func with[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

func (f *facts) add(in receipt.Image) {
	at := place{in.Repo, in.Digest}
	img := f.of[at]
	if img == nil {
		img = &image{place: at}
		f.of[at] = img
		f.images = append(f.images, img)
	}
	for _, o := range in.Origins {
		img.origins = with(img.origins, o)
	}
	if in.Subject != "" {
		img.subjects = with(img.subjects, in.Subject)
	}
	img.itself = img.itself || in.Subject == ""
	f.byName[path.Base(in.Repo)] = with(f.byName[path.Base(in.Repo)], in.Repo)
	for _, tag := range in.Tags {
		img.tags = with(img.tags, tag.Name)
		key := tagged{in.Repo, tag.Name}
		f.tags[key] = with(f.tags[key], in.Digest)
	}
}

// repos lists the repositories of the mirror that have the images of a reference: the one
// that it names, if it names the mirror, or those that the images of its repository went to.
func (f *facts) repos(host string, ref oci.Ref) []string {
	if ref.Registry == host {
		return []string{ref.Repository}
	}
	return f.sources[ref.Name()]
}

// meant lists what a cluster may mean by a reference: as repos, and, where it names no host that
// is known, the mirror under another name of it. That may give the namespace, too, or leave it out.
func (f *facts) meant(host string, ref oci.Ref) (list []string) {
	if list = f.repos(host, ref); len(list) > 0 {
		return list
	}
	for _, repo := range f.byName[path.Base(ref.Repository)] {
		if strings.HasSuffix("/"+repo, "/"+ref.Repository) || strings.HasSuffix("/"+ref.Repository, "/"+repo) {
			list = append(list, repo)
		}
	}
	return list
}

// at lists the repositories of the mirror that a path below its namespace is.
func (f *facts) at(below string) (repos []string) {
	for _, m := range f.mirrors {
		repos = with(repos, repoOf(m, below))
	}
	return repos
}

// payloads lists the images that are a release: by the digest, or, if no receipt has that,
// by the version.
func (f *facts) payloads(version string, d digest.Digest) (list []*image) {
	if d != "" {
		for _, repo := range f.manifests[d] {
			if img := f.of[place{repo, d}]; img != nil && f.isPayload(img) {
				list = append(list, img)
			}
		}
	}
	if len(list) > 0 || version == "" {
		return list
	}
	for _, img := range f.images {
		if f.isPayload(img) && slices.ContainsFunc(img.tags, func(tag string) bool { return isRelease(tag, version) }) {
			list = append(list, img)
		}
	}
	return list
}

// fixedPrefix begins tags that are made of digests.
const fixedPrefix = "satchel-"

// ofArchitecture is the end of the tag of a release, where its components are in the same
// repository.
var ofArchitecture = regexp.MustCompile(`-(x86_64|amd64|aarch64|arm64|ppc64le|s390x|multi)$`)

// isPayload reports whether an image is a release.
func (f *facts) isPayload(img *image) bool {
	if !f.releases[img.repo] || !img.itself || !img.is(manifests.OriginRelease) {
		return false
	}
	return !f.parts[img.repo] || slices.ContainsFunc(img.tags, ofArchitecture.MatchString)
}

// isRelease reports whether a tag is VERSION-ARCHITECTURE of that version; a tag cannot
// have a plus.
func isRelease(tag, version string) bool {
	arch, ok := strings.CutPrefix(tag, strings.ReplaceAll(version, "+", "_")+"-")
	return ok && arch != "" && !strings.Contains(arch, "-")
}

// components lists the images with the tags of a release's components.
func (f *facts) components(payload *image) (list []*image) {
	for _, img := range f.images {
		if !f.parts[img.repo] || !img.itself || img == payload {
			continue
		}
		for _, tag := range payload.tags {
			if !strings.HasPrefix(tag, fixedPrefix) && slices.ContainsFunc(img.tags, func(t string) bool { return strings.HasPrefix(t, tag+"-") }) {
				list = append(list, img)
				break
			}
		}
	}
	return list
}

// catalogs lists the catalogs, those of the newest receipts first.
func (f *facts) catalogs() (list []*image) {
	for _, img := range f.images {
		if img.itself && img.is(manifests.OriginCatalog) {
			list = append(list, img)
		}
	}
	return list
}

// ref names a manifest in the mirror.
func (p place) ref(host string) oci.Ref {
	return oci.Ref{Registry: host, Repository: p.repo, Digest: p.digest}
}
