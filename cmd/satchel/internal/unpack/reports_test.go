package unpack_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/quirktest"
)

// What people reported of other tools, tried: docs/faults.md lists the reports.

// way has images of one registry carried into another.
type way struct {
	*jobtest.Bench
	from, to *quirktest.Server
}

func newWay(t *testing.T, from, to string) *way {
	t.Helper()
	return &way{jobtest.New(t, 33), quirktest.Start(t, from), quirktest.Start(t, to)}
}

// put has the source hold an image.
func (w *way) put(t *testing.T, root oci.Descriptor, name, tag string) (ref string) {
	t.Helper()
	w.from.Put(t, w.Content, root, w.from.Project+"/"+name, tag)
	return w.from.Host + "/" + w.from.Project + "/" + name + ":" + tag
}

// carry packs and unpacks. An image NAME of the source is NAME below the source's
// project, below the mirror's project.
func (w *way) carry(t *testing.T, refs ...string) error {
	t.Helper()
	return unpack.Run(t.Context(), packed(t, w.Bench, w.from, refs...), vendorClient(t, w.to, true), into(w.Bench, w.to, w.to.Project))
}

// arrived wants an image in the mirror.
func (w *way) arrived(t *testing.T, root oci.Descriptor, name, tag string) {
	t.Helper()
	if err := w.to.Compare(t.Context(), w.Content, root, w.to.Project+"/"+w.from.Project+"/"+name, tag); err != nil {
		t.Error(err)
	}
}

// TestTagOfOtherContent: the mirror has the tag already, for another image.
func TestTagOfOtherContent(t *testing.T) {
	t.Parallel()
	w := newWay(t, "docker-hub", "quay")
	c := w.Content
	then, now := c.Image(false, c.Layer(1000, ocitest.LayerGzip)), c.Image(false, c.Layer(2000, ocitest.LayerGzip))
	w.to.Put(t, c, then, w.to.Project+"/"+w.from.Project+"/app", "v1")
	if err := w.carry(t, w.put(t, now, "app", "v1")); err != nil {
		t.Fatal(err)
	}
	w.arrived(t, now, "app", "v1")
}

// TestTagAndDigest names an image by both, and the tag has moved since.
func TestTagAndDigest(t *testing.T) {
	t.Parallel()
	w := newWay(t, "docker-hub", "quay")
	c := w.Content
	then := c.Index(false, c.Image(false, c.Layer(1000, ocitest.LayerGzip)))
	w.put(t, then, "app", "v1")
	ref := w.put(t, c.Image(false, c.Layer(2000, ocitest.LayerGzip)), "app", "v1")
	if err := w.carry(t, ref+"@"+then.Digest.String()); err != nil {
		t.Fatal(err)
	}
	w.arrived(t, then, "app", "v1")
}

// TestEmptyIndex carries an index of no images.
func TestEmptyIndex(t *testing.T) {
	t.Parallel()
	w := newWay(t, "docker-hub", "quay")
	root := w.Content.Blob([]byte(`{"schemaVersion":2,"mediaType":"`+oci.MediaTypeIndex+`","manifests":[]}`), oci.MediaTypeIndex)
	if err := w.carry(t, w.put(t, root, "empty", "v1")); err != nil {
		t.Fatal(err)
	}
	w.arrived(t, root, "empty", "v1")
}

// TestServedAsAnotherType has Nexus call an OCI manifest, which does not say what it is,
// Docker's.
func TestServedAsAnotherType(t *testing.T) {
	t.Parallel()
	w := newWay(t, "nexus", "docker-hub")
	c := w.Content
	whole := c.Image(false, c.Layer(1000, ocitest.LayerGzip))
	body, err := c.Reader(whole.Digest)
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, whole.Size)
	if _, err := body.ReadAt(text, 0); err != nil {
		t.Fatal(err)
	}
	root := c.Blob([]byte(strings.Replace(string(text), `"mediaType":"`+oci.MediaTypeManifest+`",`, "", 1)), oci.MediaTypeManifest)
	if root.Digest == whole.Digest {
		t.Fatalf("not changed: %s", text)
	}
	if err := w.carry(t, w.put(t, root, "app", "v1")); err != nil {
		t.Fatal(err)
	}
	w.arrived(t, root, "app", "v1")
}

// TestSubjectFirst has a registry that refuses an attachment while its subject is missing.
func TestSubjectFirst(t *testing.T) {
	t.Parallel()
	w := newWay(t, "docker-hub", "docker-hub")
	c := w.Content
	root := c.Image(false, c.Layer(1000, ocitest.LayerGzip))
	sbom := c.Blob(attached(c, root), oci.MediaTypeManifest)
	ref := w.put(t, root, "app", "v1")
	w.put(t, sbom, "app", "sbom")
	if err := w.carry(t, ref); err != nil {
		t.Fatal(err)
	}
	w.arrived(t, root, "app", "v1")
	if met := strings.Join(w.to.Met(), ", "); strings.Contains(met, "subject first") {
		t.Errorf("met: %s", met)
	}
	w.arrived(t, sbom, "app", sbom.Digest.String())
}

// attached is the manifest of an SBOM of a subject.
func attached(c *ocitest.Content, subject oci.Descriptor) []byte {
	config := c.Blob([]byte("{}"), "application/vnd.oci.empty.v1+json")
	return []byte(`{"schemaVersion":2,"mediaType":"` + oci.MediaTypeManifest + `","artifactType":"application/spdx+json","config":` + descriptor(config) +
		`,"layers":[` + descriptor(c.Layer(500, "application/spdx+json")) + `],"subject":` + descriptor(subject) + `}`)
}

func descriptor(d oci.Descriptor) string {
	return `{"mediaType":"` + d.MediaType + `","digest":"` + d.Digest.String() + `","size":` + strconv.FormatInt(d.Size, 10) + `}`
}

// TestRefusedManifests has registries refuse what an image is: the error names the
// image and what the registry said, before the first layer where it is a kind that every
// probe has.
func TestRefusedManifests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, to string
		root     func(c *ocitest.Content) oci.Descriptor
		says     string
		met      string
		before   bool // the first layer
	}{
		{"Docker manifests in an OCI index", "quay", func(c *ocitest.Content) oci.Descriptor {
			return c.Index(false, c.Image(true, c.Layer(1000, ocitest.LayerGzip)))
		}, "does not match schema", "Docker manifests in an OCI index", true},
		{"an artifact of its own type", "quay", func(c *ocitest.Content) oci.Descriptor {
			return c.Blob([]byte(`{"schemaVersion":2,"mediaType":"`+oci.MediaTypeManifest+`","config":`+descriptor(c.Blob([]byte("{}"), "application/vnd.example.config.v1+json"))+
				`,"layers":[`+descriptor(c.Layer(1000, "application/octet-stream"))+`]}`), oci.MediaTypeManifest)
		}, "manifest invalid", "config of an unknown type", true},
		{"an OCI image", "old", func(c *ocitest.Content) oci.Descriptor {
			return c.Image(false, c.Layer(1000, ocitest.LayerGzip))
		}, "manifest invalid", "OCI manifest", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWay(t, "docker-hub", c.to)
			err := w.carry(t, w.put(t, c.root(w.Content), "app", "v1"))
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "user/app") {
				t.Errorf("%v, want %q and the image", err, c.says)
			}
			var probed *transport.ProbeError
			if !slices.Contains(w.to.Met(), c.met) || errors.As(err, &probed) != c.before {
				t.Errorf("met: %q; by the probe: %v", w.to.Met(), probed != nil)
			}
		})
	}
}

// TestSubjectRefused has ECR refuse manifests with a subject: an SBOM is left out and
// listed, and holds nothing up.
func TestSubjectRefused(t *testing.T) {
	t.Parallel()
	w := newWay(t, "docker-hub", "ecr")
	c := w.Content
	root := c.Image(false, c.Layer(1000, ocitest.LayerGzip))
	ref := w.put(t, root, "app", "v1")
	sbom := c.Blob(attached(c, root), oci.MediaTypeManifest)
	w.put(t, sbom, "app", "sbom")
	if err := w.carry(t, ref); err != nil {
		t.Fatal(err)
	}
	w.arrived(t, root, "app", "v1")
	if !slices.Contains(w.to.Met(), "a manifest with a subject") || !strings.Contains(w.Log.String(), sbom.Digest.String()) {
		t.Errorf("met %q, and reported:\n%s", w.to.Met(), w.Log)
	}
}

// TestDockerImagesAlone has a registry that takes nothing else take them.
func TestDockerImagesAlone(t *testing.T) {
	t.Parallel()
	w := newWay(t, "docker-hub", "old")
	root := w.Content.Image(true, w.Content.Layer(1000, ocitest.LayerGzip))
	if err := w.carry(t, w.put(t, root, "app", "v1")); err != nil {
		t.Fatal(err)
	}
	w.arrived(t, root, "app", "v1")
}
