package pods

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/podlist"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// maxPodImages is how many different images the pods of a cluster may use.
const maxPodImages = 50_000

// Pods gathers the images that the pods of a running cluster use. The digest that
// a node has is what counts, not where its tag points by now.
type Pods struct {
	uses map[podKey]*podUses
	left map[string]*podUses // what cannot be carried, by the image's name

	releases map[oci.Ref]string // payloads that version operators run from, with the first pod
}

type podKey struct {
	ref oci.Ref
	tag string
}

type podUses struct {
	first string // by name
	count int
	why   string // why it is left out
}

// NewPods begins a set.
func NewPods() *Pods {
	return &Pods{map[podKey]*podUses{}, map[string]*podUses{}, map[oci.Ref]string{}}
}

// Read adds what oc get pods -A prints as JSON or YAML.
func (p *Pods) Read(r io.Reader) error {
	n, err := podlist.Read(r, p.Add)
	return podsFound(n, err)
}

// ReadDir adds the pods of a must-gather, or of an extracted Insights archive; base
// is the directory's name.
func (p *Pods) ReadDir(fsys fs.FS, base string) error {
	n, err := podlist.Walk(fsys, base, p.Add)
	return podsFound(n, err)
}

func podsFound(n int, err error) error {
	if err == nil && n == 0 {
		err = errors.New("there is no pod in it")
	}
	return err
}

// Add adds what one container uses.
func (p *Pods) Add(u podlist.Use) error {
	who := text.ASCII(u.Namespace + "/" + u.Pod + " " + u.Container)
	ref, tag, err := podRef(u)
	if err == nil && u.Container == versionOperator && strings.HasPrefix(u.Pod, versionOperator) {
		if first, ok := p.releases[ref]; !ok || who < first {
			p.releases[ref] = who
		}
	}
	if err == nil {
		return note(p.uses, podKey{ref, tag}, who, "")
	}
	return note(p.left, text.ASCII(cmp.Or(u.Image, u.ID)), who, err.Error())
}

// versionOperator runs from the payload of the release that a cluster runs, or is being updated
// to: in openshift-cluster-version, or of a hosted cluster in a namespace of that.
const versionOperator = "cluster-version-operator"

// Running lists the releases of clusters, as the pods of their version operators show them.
func (p *Pods) Running() (list []imageset.Running) {
	for ref, who := range p.releases {
		list = append(list, imageset.Running{Ref: ref, Why: "pod " + who})
	}
	slices.SortFunc(list, func(a, b imageset.Running) int { return cmp.Compare(a.Ref.String(), b.Ref.String()) })
	return list
}

func note[K comparable](uses map[K]*podUses, key K, who, why string) error {
	u := uses[key]
	if u == nil {
		if len(uses) >= maxPodImages {
			return fmt.Errorf("pods use more than %d different images", maxPodImages)
		}
		u = &podUses{first: who, why: why}
		uses[key] = u
	}
	u.first, u.count = min(u.first, who), u.count+1
	return nil
}

// errInside says that an image is available only inside the cluster.
var errInside = errors.New("it exists only in the cluster's own registry or on a node")

// podRef is the image of a container, with the tag by which the pod names it. A
// digest that the pod names is what nodes ask for. Of a tag, the node says which
// digest it got, if that is from the same repository; of a name without a host,
// which repository it was too.
func podRef(u podlist.Use) (ref oci.Ref, tag string, err error) {
	id := u.ID
	if _, after, ok := strings.Cut(u.ID, "://"); ok { // as Docker wrote it
		id = after
	}
	got, gotErr := oci.ParseRef(id)
	if gotErr != nil || got.Digest == "" { // an image without a repository is named by its config
		got = oci.Ref{}
	}
	named, err := ask.ParseNodeRef(u.Image)
	if err == nil && strings.HasPrefix(u.Image, "sha256:") {
		err = errors.New("it is named by the digest of its config")
	}
	_, canonical := reference.ParseNamed(u.Image)
	short := errors.Is(canonical, reference.ErrNameNotCanonical)
	switch {
	case inside(named.Registry) || inside(got.Registry):
		return oci.Ref{}, "", errInside
	case err != nil && got.Registry != "":
		return got.WithDigest(got.Digest), "", nil
	case err != nil:
		return oci.Ref{}, "", err
	case named.Digest != "":
		return named.WithDigest(named.Digest), "", nil
	case got.Registry != "" && (short || got.Name() == named.Name()):
		return got.WithDigest(got.Digest), named.Tag, nil
	}
	return named, named.Tag, nil
}

// inside reports whether a registry is the cluster's own, or no registry at all.
func inside(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return name == "localhost" || strings.HasPrefix(name, "image-registry.openshift-image-registry.svc") || name == "docker-registry.default.svc"
}

// Images lists what was gathered, sorted, and says, a line each, what is left out.
func (p *Pods) Images() (images []imageset.PodImage, notes []string) {
	keys := slices.SortedFunc(maps.Keys(p.uses), func(a, b podKey) int {
		return cmp.Or(cmp.Compare(a.ref.String(), b.ref.String()), cmp.Compare(a.tag, b.tag))
	})
	for _, k := range keys {
		images = append(images, imageset.PodImage{Ref: k.ref, Tag: k.tag, Why: p.uses[k].String()})
	}
	var within []string
	for _, name := range slices.Sorted(maps.Keys(p.left)) {
		u := p.left[name]
		if u.why == errInside.Error() {
			within = append(within, name)
		} else {
			notes = append(notes, text.ASCII(fmt.Sprintf("not carried: image %q of pod %s: %s", name, u, u.why)))
		}
	}
	if most := 20; len(notes) > most {
		notes = append(notes[:most], fmt.Sprintf("not carried: %d more images of pods, whose names cannot be read", len(notes)-most))
	}
	if len(within) > 0 {
		notes = append(notes, fmt.Sprintf("not carried: images that exist only in the cluster's own registry or on a node, %s: %s", text.Count(len(within), "image", "images"), text.Some(within, 3)))
	}
	return images, notes
}

func (u *podUses) String() string {
	if u.count == 1 {
		return u.first
	}
	return fmt.Sprintf("%s, and %d more", u.first, u.count-1)
}

// Images asks for the images of [imageset.Extra.Pods].
func Images(_ context.Context, c *imageset.Config, from ask.Images) (ask.Set, error) {
	for _, line := range c.Extra.PodNotes {
		from.Note(line)
	}
	var list []ask.Image
	for _, p := range c.Extra.Pods {
		w := ask.Image{Origin: origin.Pod, Ref: p.Ref, Reasons: []oci.Reason{{Kind: origin.KindPod, Name: p.Why}}}
		if p.Tag != "" {
			w.Tags = []string{p.Tag}
		}
		list = append(list, w)
	}
	return ask.Set{Images: list}, nil
}
