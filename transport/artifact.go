package transport

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// Artifact is small files that a tag of a repository leads to.
type Artifact struct {
	Type   string // of all of it (OCI image-spec, artifactType)
	Files  []File
	Digest digest.Digest // of its manifest in the registry; "" where it is not known to be in one
}

// File is one file of an artifact: a layer with a title.
type File struct {
	Name string
	Type string // media type
	Body []byte
}

// file finds a file.
func (a *Artifact) file(name string) ([]byte, bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Body, true
		}
	}
	return nil, false
}

// File gives the bytes of a file, nil if there is none of that name.
func (a *Artifact) File(name string) []byte {
	body, _ := a.file(name)
	return body
}

// artifactConfig is the config of an artifact that passes for an image.
const artifactConfig = `{"architecture":"unknown","os":"unknown","rootfs":{"type":"layers","diff_ids":[]}}`

// artifactNote is the annotation that says what artifact an image is.
const artifactNote = "vnd.satchel.artifact"

// form is a manifest that an artifact may have, and what it needs besides its files.
type form struct {
	manifest, config oci.Descriptor
	bodies           map[string][]byte // by digest
}

// forms lists how an artifact is tried: as the specification has artifacts (OCI image-spec,
// "Guidelines for Artifact Usage"), then as an image. Registries with a list of the types
// that they take (Quay, GitLab, Docker Hub) refuse the first, those of before OCI also the second.
func (a *Artifact) forms() ([]form, error) {
	note := map[string]string{artifactNote: a.Type}
	kinds := []struct {
		m     ispec.Manifest
		body  string // of the config
		layer string // media type; "" for that of the file
	}{
		{ispec.Manifest{MediaType: oci.MediaTypeManifest, ArtifactType: a.Type, Config: oci.Descriptor{MediaType: ispec.MediaTypeEmptyJSON}}, "{}", ""},
		{ispec.Manifest{MediaType: oci.MediaTypeManifest, Config: oci.Descriptor{MediaType: ispec.MediaTypeImageConfig}, Annotations: note}, artifactConfig, ispec.MediaTypeImageLayer},
		{ispec.Manifest{MediaType: oci.MediaTypeDockerManifest, Config: oci.Descriptor{MediaType: "application/vnd.docker.container.image.v1+json"}, Annotations: note}, artifactConfig, "application/vnd.docker.image.rootfs.diff.tar.gzip"},
	}
	var list []form
	for _, k := range kinds {
		f := form{bodies: map[string][]byte{}}
		k.m.Versioned = specs.Versioned{SchemaVersion: 2}
		k.m.Config = f.add(k.m.Config.MediaType, []byte(k.body))
		f.config = k.m.Config
		for _, file := range a.Files {
			d := f.add(cmp.Or(k.layer, file.Type), file.Body)
			d.Annotations = map[string]string{ispec.AnnotationTitle: file.Name}
			k.m.Layers = append(k.m.Layers, d)
		}
		body, err := json.Marshal(k.m)
		if err != nil {
			return nil, err
		}
		f.manifest = f.add(k.m.MediaType, body)
		list = append(list, f)
	}
	return list, nil
}

func (f *form) add(mediaType string, body []byte) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(body), Size: int64(len(body))}
	f.bodies[d.Digest.String()] = body
	return d
}

// Open gives what a form is made of.
func (f *form) Open(_ context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(f.bodies[d.Digest.String()][off:])), nil
}

// PutArtifact stores an artifact under the tag of ref, reads it back, compares it, and notes the
// digest of its manifest in it. A registry that refuses artifacts gets it as an image. A tag that names something else
// already is a *[TagError] where tags do not move; other errors are as those of [Mirror.Manifests].
func (m *Mirror) PutArtifact(ctx context.Context, ref oci.Ref, a *Artifact) error {
	r, err := m.client.Repository(ref)
	if err != nil {
		return err
	}
	forms, err := a.forms()
	if err != nil {
		return err
	}
	for i, f := range forms {
		if err = r.putForm(ctx, &f, ref.Tag); err == nil || i == len(forms)-1 || !refusesKind(err) {
			break
		}
	}
	if err != nil {
		return err
	}
	return r.sameArtifact(ctx, ref.Tag, a)
}

// refusesKind reports whether a registry takes pushes, and may take a manifest of another kind.
func refusesKind(err error) bool {
	var tag *TagError
	if errors.As(err, &tag) || !saidNo(err) {
		return false
	}
	switch statusIn(err) {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed:
		return false
	}
	return true
}

// putForm pushes the blobs that are not there, and the manifest.
func (r *Repository) putForm(ctx context.Context, f *form, tag string) error {
	var manifest struct{ Layers []oci.Descriptor }
	body := f.bodies[f.manifest.Digest.String()]
	if err := json.Unmarshal(body, &manifest); err != nil {
		return err
	}
	for _, d := range append([]oci.Descriptor{f.config}, manifest.Layers...) {
		if there, err := r.look(r.toPush(ctx), d); err == nil && there.whole() {
			continue
		}
		if err := r.putBlob(ctx, f, d, oci.Ref{}); err != nil {
			return err
		}
	}
	var refusal error
	_, err := r.patiently(ctx, func() (bool, error) { // some stores have a blob later than they say
		err := r.putManifest(ctx, f.manifest, body, tag)
		refusal = nil
		if lacksParts(err) {
			refusal, err = err, nil
		}
		return refusal == nil && err == nil, err
	})
	return errors.Join(err, refusal)
}

// sameArtifact reads an artifact back until it is there.
func (r *Repository) sameArtifact(ctx context.Context, tag string, a *Artifact) error {
	var got *Artifact
	there, err := r.patiently(ctx, func() (_ bool, err error) {
		got, err = r.artifact(ctx, tag, a.size(), nil)
		return got != nil, err
	})
	if err != nil {
		return err
	}
	same := func(f, g File) bool { return f.Name == g.Name && bytes.Equal(f.Body, g.Body) }
	if !there || !slices.EqualFunc(a.Files, got.Files, same) {
		return &ArtifactError{Ref: r.ref.WithTag(tag), Absent: !there}
	}
	a.Digest = got.Digest
	return nil
}

func (a *Artifact) size() (n int64) {
	for _, f := range a.Files {
		n += int64(len(f.Body))
	}
	return n
}

// ArtifactError says that a registry does not give small files as they were pushed, or as
// they can be.
type ArtifactError struct {
	Ref    oci.Ref
	Absent bool   // it took them, and does not have them
	Why    string // what is wrong with what it has; "": something else is there
}

func (e *ArtifactError) Error() string {
	what := "the registry has something else there than what was pushed"
	switch {
	case e.Absent:
		what = "the registry took it, and does not have it"
	case e.Why != "":
		what = e.Why
	}
	return fmt.Sprintf("check %s: %s", e.Ref, what)
}

// Hint says what to do now.
func (e *ArtifactError) Hint() string {
	if e.Why != "" {
		return "it was not pushed by satchel, or was changed: delete this tag in the registry"
	}
	return "run the same command again; if another run writes into this mirror, wait until it has ended"
}

// Permanent is true: it was looked at.
func (e *ArtifactError) Permanent() bool { return true }

// Artifact reads the artifact under the tag of ref, nil if there is none. Of what has more
// than limit bytes in all, or is no artifact, the error is an *[ArtifactError]. have gives files
// that need not be read, by their digests, nil for others; it may be nil.
func (m *Mirror) Artifact(ctx context.Context, ref oci.Ref, limit int64, have func(digest.Digest) []byte) (*Artifact, error) {
	r, err := m.client.Repository(ref)
	if err != nil {
		return nil, err
	}
	return r.artifact(ctx, ref.Tag, limit, have)
}

// artifact gives nil for what is not there: the tag, or a part of what it leads to, which
// some stores have later.
func (r *Repository) artifact(ctx context.Context, tag string, limit int64, have func(digest.Digest) []byte) (*Artifact, error) {
	ctx = r.toPush(ctx)
	refused := func(why string) (*Artifact, error) { return nil, &ArtifactError{Ref: r.ref.WithTag(tag), Why: why} }
	var d oci.Descriptor
	var body []byte
	err := r.alone(ctx, func(ctx context.Context) (err error) {
		d, body, err = r.manifestRead(ctx, tag, "")
		return err
	})
	var odd *oci.UnsupportedError
	switch {
	case statusIn(err) == http.StatusNotFound:
		return nil, nil
	case errors.As(err, &odd):
		return refused(odd.Why)
	case err != nil:
		return nil, explain("pull", r.ref.WithTag(tag).String(), err)
	case d.MediaType != oci.MediaTypeManifest && d.MediaType != oci.MediaTypeDockerManifest:
		return refused("it is not an artifact")
	}
	var m ispec.Manifest
	if json.Unmarshal(body, &m) != nil {
		return refused("it is not valid JSON")
	}
	a := &Artifact{Type: m.ArtifactType, Digest: d.Digest}
	if a.Type == "" {
		a.Type = m.Annotations[artifactNote]
	}
	for _, l := range m.Layers {
		name := l.Annotations[ispec.AnnotationTitle]
		if limit -= l.Size; limit < 0 || l.Size < 0 || name == "" {
			return refused("it has a file without a name, or is larger than such files are")
		}
		var body []byte
		if have != nil {
			body = have(l.Digest)
		}
		if body == nil {
			body, err = oci.ReadBlob(ctx, r, l, l.Size)
		}
		if statusIn(err) == http.StatusNotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		a.Files = append(a.Files, File{name, l.MediaType, body})
	}
	return a, nil
}

// tagGrammar is what can be a tag (OCI distribution-spec, "Pulling manifests").
var tagGrammar = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`) })

// Tags lists the tags of a repository of the mirror; none where it is not there. What cannot be
// one is left out.
func (m *Mirror) Tags(ctx context.Context, repo oci.Ref) (tags []string, err error) {
	r, err := m.client.Repository(repo)
	if err != nil {
		return nil, err
	}
	err = r.alone(r.toPush(ctx), func(ctx context.Context) (err error) {
		tags, err = r.listTags(ctx)
		return err
	})
	if statusIn(err) == http.StatusNotFound {
		return nil, nil
	}
	tags = slices.DeleteFunc(tags, func(tag string) bool { return !tagGrammar().MatchString(tag) })
	return tags, explain("list the tags of", repo.Name(), err)
}
