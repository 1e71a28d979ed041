package check

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Wanted is an image that nodes are to get.
type Wanted struct {
	Ref  oci.Ref  // as nodes name it
	Why  []string // it is carried, or used
	Arch []string // architectures of the nodes; nil: those that are carried
	// Needed: the cluster asks for it by this name, as catalogs and releases do.
	Needed bool
	// Attached: it is a signature or another attachment, which nodes do not pull.
	Attached bool
}

// payload is a release in the mirror.
type payload struct {
	image oci.Image // its source by digest
	name  string    // 4.18.1-x86_64
}

// carried is what receipts and bundles name, by what is looked for.
type carried struct {
	wanted   []Wanted
	payloads []payload
	mirrors  []oci.Mirror
	// manifests are those of each repository of the mirror, without its host.
	manifests map[string]map[digest.Digest]bool
	tags      map[string]digest.Digest  // REPOSITORY:TAG in the mirror, by the newest receipt
	bundled   map[string]digest.Digest  // sources as bundles name them, by digest and by tag, and @DIGEST alone
	names     map[oci.Ref]digest.Digest // what tags name that were carried: the newest
	scraped   []scraped
	omitted   map[digest.Digest][]digest.Digest // manifests that bundles leave out of their indexes
	hosts     map[string]bool                   // sources, HOST[:PORT]/REPOSITORY
	built     []place                           // images that no registry outside has
	arch      []string                          // architectures of releases, as nodes name them
}

// scraped is a tag of a release in the mirror, by which an update service reads it.
type scraped struct {
	mirror oci.Mirror
	repo   string
	tag    string
	digest digest.Digest
}

// place is an image in the mirror, as receipts name it.
type place struct {
	mirror oci.Mirror
	repo   string
	digest digest.Digest
	why    []string
}

// gathering puts together what is wanted, each image once.
type gathering struct {
	*carried
	by map[oci.Ref]*Wanted
}

// carriedOf takes receipts and bundles together.
func carriedOf(receipts []*receipt.Receipt, bundles []Bundle) *carried {
	g := gathering{&carried{manifests: map[string]map[digest.Digest]bool{}, tags: map[string]digest.Digest{}, bundled: map[string]digest.Digest{}, names: map[oci.Ref]digest.Digest{}, omitted: map[digest.Digest][]digest.Digest{}, hosts: map[string]bool{}}, map[oci.Ref]*Wanted{}}
	for _, r := range receipts {
		g.receipt(r)
	}
	for _, b := range bundles {
		g.inventory(b.Inventory)
	}
	for _, ref := range slices.SortedFunc(maps.Keys(g.by), func(a, b oci.Ref) int { return strings.Compare(a.String(), b.String()) }) {
		w := g.by[ref]
		w.Why = text.Sorted(w.Why)
		g.wanted = append(g.wanted, *w)
	}
	g.arch = text.Sorted(g.arch)
	return g.carried
}

func (g *gathering) want(ref oci.Ref, attached bool, why ...string) {
	w := g.by[ref]
	if w == nil {
		w = &Wanted{Ref: ref, Attached: attached}
		g.by[ref] = w
	}
	w.Attached = w.Attached && attached
	w.Why = append(w.Why, why...)
}

// receipt adds what a receipt names: each image as its sources name it.
func (g *gathering) receipt(r *receipt.Receipt) {
	if !slices.Contains(g.mirrors, r.Mirror) {
		g.mirrors = append(g.mirrors, r.Mirror)
	}
	sources := map[string][]receipt.SourceRepository{}
	for _, repo := range r.Repositories {
		sources[repo.Name] = repo.Sources
		for _, s := range repo.Sources {
			g.hosts[s.Name] = true
		}
	}
	for _, m := range r.Manifests {
		if g.manifests[m.Repo] == nil {
			g.manifests[m.Repo] = map[digest.Digest]bool{}
		}
		g.manifests[m.Repo][m.Digest] = true
	}
	releases := r.Mirror.Repo(oci.Image{Path: manifests.PathRelease}).Repository
	for _, img := range r.Images {
		for _, tag := range img.Tags {
			if at := img.Repo + ":" + tag.Name; g.tags[at] == "" {
				g.tags[at] = img.Digest
			}
		}
		var found bool
		for _, s := range namedBy(img, sources[img.Repo], r.Mirror.Shared.Repository) {
			ref, err := oci.ParseRef(s.Name + "@" + img.Digest.String())
			if err != nil || !shares(s.Origins, img.Origins) {
				continue
			}
			found = true
			why := whyOf(img, r)
			g.want(ref, img.Subject != "", why...)
			if img.Repo == releases && img.Subject == "" {
				g.release(img, ref)
				for _, tag := range img.Tags {
					g.scraped = append(g.scraped, scraped{r.Mirror, img.Repo, tag.Name, img.Digest})
				}
			}
			g.byTag(img, ref, why)
		}
		if !found && img.Subject == "" {
			g.built = append(g.built, place{r.Mirror, img.Repo, img.Digest, whyOf(img, r)})
		}
	}
}

// releaseTag reports whether a tag is that of a payload, such as 4.18.1-x86_64. What a payload names may have
// such a one with its name at the end.
func releaseTag(tag string) bool {
	_, is := manifests.ReleaseVersion(tag)
	return is && (nodeArch(tag) != "" || strings.HasSuffix(tag, "-multi"))
}

// releaseRepository is where OpenShift's payloads come from.
const releaseRepository = "quay.io/openshift-release-dev/ocp-release"

// namedBy lists the sources by which nodes name an image. A repository that has all of releases has those of
// payloads and of what they name together: nodes ask for each by one of the two, and policies differ.
func namedBy(img receipt.Image, all []receipt.SourceRepository, shared string) []receipt.SourceRepository {
	payloads := func(s receipt.SourceRepository) bool { return s.Name == releaseRepository }
	if shared == "" || img.Repo != shared || len(all) < 2 || !slices.ContainsFunc(all, payloads) {
		return all
	}
	payload := slices.ContainsFunc(img.Tags, func(t receipt.Tag) bool { return releaseTag(t.Name) })
	return slices.DeleteFunc(slices.Clone(all), func(s receipt.SourceRepository) bool {
		return img.Subject == "" && payloads(s) != payload
	})
}

func shares(a, b []oci.Origin) bool {
	return slices.ContainsFunc(a, func(o oci.Origin) bool { return slices.Contains(b, o) })
}

// whyOf says for people why a receipt has an image.
func whyOf(img receipt.Image, r *receipt.Receipt) (why []string) {
	for _, o := range img.Origins {
		said := string(o) + " (bundle " + r.Bundle + ")"
		if img.Subject != "" {
			said = "attached to " + img.Subject.String() + ", " + said
		}
		why = append(why, said)
	}
	return why
}

// release notes a payload.
func (g *gathering) release(img receipt.Image, ref oci.Ref) {
	for _, tag := range img.Tags {
		if !releaseTag(tag.Name) || slices.ContainsFunc(g.payloads, func(p payload) bool { return p.image.Source == ref }) {
			continue
		}
		g.payloads = append(g.payloads, payload{oci.Image{Origin: manifests.OriginRelease, Source: ref, Path: manifests.PathRelease, Tags: []string{tag.Name}, Root: oci.Descriptor{Digest: ref.Digest}}, tag.Name})
		if arch := nodeArch(tag.Name); arch != "" {
			g.arch = append(g.arch, arch)
		}
	}
}

// nodeArch is the architecture of the tag of a release, as nodes name it; "" where that is not one.
func nodeArch(tag string) string {
	arch := tag[strings.LastIndexByte(tag, '-')+1:]
	switch arch {
	case "x86_64", "amd64":
		return "amd64"
	case "aarch64", "arm64":
		return "arm64"
	case "ppc64le", "s390x":
		return arch
	}
	return ""
}

// means notes what a tag names; the first that is noted is the newest.
func (g *gathering) means(tag oci.Ref, d digest.Digest) {
	if g.names[tag] == "" {
		g.names[tag] = d
	}
}

// fixedPrefix begins tags that are made of digests.
const fixedPrefix = "satchel-"

// byTag adds the names by which the configuration has an image, where those are tags.
func (g *gathering) byTag(img receipt.Image, ref oci.Ref, why []string) {
	for _, tag := range img.Tags {
		if img.Subject != "" || strings.HasPrefix(tag.Name, fixedPrefix) || !shares(img.Origins, []oci.Origin{manifests.OriginAdditional, manifests.OriginPod, manifests.OriginChart}) {
			continue
		}
		named := oci.Ref{Registry: ref.Registry, Repository: ref.Repository, Tag: tag.Name}
		g.want(named, false, why...)
		g.means(named, img.Digest)
	}
}

// inventory adds what a bundle carries.
func (g *gathering) inventory(inv *oci.Inventory) {
	for _, img := range inv.Images {
		if img.Built {
			g.bundled["@"+img.Root.Digest.String()] = img.Root.Digest
			continue // its place is in the files, and in receipts
		}
		g.hosts[img.Source.Name()] = true
		why := oci.Words(img.Reasons)
		ref := img.Source.WithDigest(img.Root.Digest)
		g.bundled[ref.String()], g.bundled["@"+img.Root.Digest.String()] = img.Root.Digest, img.Root.Digest
		if img.Source.Tag != "" {
			g.bundled[img.Source.WithTag(img.Source.Tag).String()] = img.Root.Digest
		}
		if oci.IsIndex(img.Root.MediaType) {
			g.omitted[img.Root.Digest] = img.Omitted
		}
		g.want(ref, img.Subject != "", why...)
		if img.Source.Digest == "" && img.Source.Tag != "" && img.Subject == "" && img.Origin != manifests.OriginRelease && img.Origin != manifests.OriginCatalog {
			g.want(img.Source, false, why...)
			g.means(img.Source, img.Root.Digest)
		}
		if img.Origin == manifests.OriginRelease && img.Path == manifests.PathRelease && img.Subject == "" && len(img.Tags) > 0 && !slices.ContainsFunc(g.payloads, func(p payload) bool { return p.image.Source == ref }) {
			g.payloads = append(g.payloads, payload{oci.Image{Origin: img.Origin, Source: ref, Path: img.Path, Tags: img.Tags, Root: img.Root}, img.Tags[0]})
			if arch := nodeArch(img.Tags[0]); arch != "" {
				g.arch = append(g.arch, arch)
			}
		}
	}
}

// sources lists the repositories that images come from, sorted.
func (c *carried) sources() []string { return slices.Sorted(maps.Keys(c.hosts)) }

// there gives what receipts and bundles say that a place has under a name; "" for nothing. Nodes may know
// the repository by another address, with another namespace.
func (c *carried) there(image oci.Ref, place oci.Ref) digest.Digest {
	if place.Digest == "" {
		if d := c.tags[place.Repository+":"+place.Tag]; d != "" {
			return d
		}
		return c.bundled[image.String()]
	}
	in, known := c.manifests[place.Repository]
	for repo, has := range c.manifests {
		if !known && path.Base(repo) == path.Base(place.Repository) && has[place.Digest] {
			return place.Digest
		}
	}
	if in[place.Digest] {
		return place.Digest
	}
	if image.Name() == place.Name() { // by its name in the mirror, as files for a cluster name catalogs
		return c.bundled["@"+place.Digest.String()]
	}
	return c.bundled[image.String()]
}

// has reports whether receipts say that a repository has a manifest; known is false where no receipt
// has the index that it is named by there. Nodes may know the repository by another address, with
// another namespace.
func (c *carried) has(repo string, index, d digest.Digest) (has, known bool) {
	if in := c.manifests[repo]; in[index] {
		return in[d], true
	}
	for _, in := range c.manifests {
		if in[index] {
			known, has = true, has || in[d]
		}
	}
	return has, known
}
