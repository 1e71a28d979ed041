package receipt

import (
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// Marks says of everything that a bundle needs whether the mirror has it, and how it came
// there. What is not there is left out of a receipt.
type Marks interface {
	Manifest(repo string, d digest.Digest) (m Mark, there bool)
	Blob(repo string, d oci.Descriptor) (m Mark, there bool)
	Tag(repo, tag string) (m Mark, there bool)
}

// Fill adds what the images of a graph need in the receipt's mirror, and sorts all.
func (r *Receipt) Fill(g *oci.Graph, marks Marks) {
	f := filling{r: r, marks: marks, repo: make([]string, len(g.Images)), images: map[manifestKey]int{}, known: map[string]int{}}
	for i, img := range g.Images {
		f.repo[i] = r.Mirror.Repo(img).Repository
	}
	there := map[manifestKey]bool{}
	for _, n := range g.Manifests {
		for _, repo := range f.repos(n) {
			if mark, is := marks.Manifest(repo, n.Descriptor.Digest); is {
				there[manifestKey{repo, n.Descriptor.Digest}] = true
				r.Manifests = append(r.Manifests, Manifest{Repo: repo, Digest: n.Descriptor.Digest, MediaType: n.Descriptor.MediaType, Size: n.Descriptor.Size, Mark: mark})
			}
		}
	}
	for _, n := range g.Blobs {
		b := Blob{Short: ShortOf(n.Descriptor.Digest), Size: n.Descriptor.Size}
		for _, repo := range f.repos(n) {
			if mark, is := marks.Blob(repo, n.Descriptor); is {
				b.In = append(b.In, Place{repo, mark})
			}
		}
		if len(b.In) > 0 {
			r.Blobs = append(r.Blobs, b)
		}
	}
	for i, img := range g.Images {
		if there[manifestKey{f.repo[i], img.Root.Digest}] {
			f.image(f.repo[i], img)
		}
	}
	f.repositories()
	r.Sort()
}

type filling struct {
	r      *Receipt
	marks  Marks
	repo   []string            // of each image
	images map[manifestKey]int // place in the receipt's list
	known  map[string]int      // repositories, the same
}

// repos lists the repositories that need a node, each once.
func (f *filling) repos(n oci.Node) []string {
	list := make([]string, len(n.Images))
	for k, i := range n.Images {
		list[k] = f.repo[i]
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// image adds a root; one that several parts of a configuration ask for is one.
func (f *filling) image(repo string, img oci.Image) {
	key := manifestKey{repo, img.Root.Digest}
	i, known := f.images[key]
	if !known {
		i = len(f.r.Images)
		f.images[key] = i
		f.r.Images = append(f.r.Images, Image{Repo: repo, Digest: img.Root.Digest, Subject: img.Subject})
	}
	to := &f.r.Images[i]
	if img.Subject == "" { // for itself too
		to.Subject = ""
	}
	to.Origins = with(to.Origins, img.Origin)
	for _, name := range img.MirrorTags() {
		if slices.ContainsFunc(to.Tags, func(t Tag) bool { return t.Name == name }) {
			continue
		}
		if mark, is := f.marks.Tag(repo, name); is {
			to.Tags = append(to.Tags, Tag{name, mark})
		}
	}
	f.source(repo, img)
}

// source notes where an image comes from. Nobody asks the source of a built one for it.
func (f *filling) source(repo string, img oci.Image) {
	k, known := f.known[repo]
	if !known {
		k = len(f.r.Repositories)
		f.known[repo] = k
		f.r.Repositories = append(f.r.Repositories, Repository{Name: repo})
	}
	if img.Built {
		return
	}
	to := &f.r.Repositories[k]
	name := img.Source.Name()
	i := slices.IndexFunc(to.Sources, func(s SourceRepository) bool { return s.Name == name })
	if i < 0 {
		i = len(to.Sources)
		to.Sources = append(to.Sources, SourceRepository{Name: name})
	}
	to.Sources[i].Origins = with(to.Sources[i].Origins, img.Origin)
}

func with(list []oci.Origin, o oci.Origin) []oci.Origin {
	if slices.Contains(list, o) {
		return list
	}
	return append(list, o)
}

// repositories adds those that have parts of images alone.
func (f *filling) repositories() {
	add := func(name string) {
		if _, known := f.known[name]; !known {
			f.known[name] = len(f.r.Repositories)
			f.r.Repositories = append(f.r.Repositories, Repository{Name: name})
		}
	}
	for _, m := range f.r.Manifests {
		add(m.Repo)
	}
	for _, b := range f.r.Blobs {
		for _, p := range b.In {
			add(p.Repo)
		}
	}
}
