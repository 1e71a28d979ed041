package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

func twoFiles(size int) *Artifact {
	return &Artifact{Type: "application/vnd.satchel.test.v1", Files: []File{
		{"notes.json", "application/vnd.satchel.test.v1+json", bytes.Repeat([]byte("{}"), size/2)},
		{"notes.json.sig", "text/plain", []byte("signed")},
	}}
}

// TestArtifact has registries hold small files under tags.
func TestArtifact(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{
		"2.8": registrytest.Start(t).Host, "3": registrytest.StartV3(t, false, "", "").Host, "olareg": registrytest.StartOlareg(t).Host,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mirrorAt(insecure(t), host, 2)
			repo := oci.Ref{Registry: host, Repository: "mirror/a/b"}
			if tags, err := m.Tags(t.Context(), repo); err != nil || len(tags) != 0 {
				t.Errorf("before: %v, %v", tags, err)
			}
			if a, err := m.Artifact(t.Context(), repo.WithTag("one"), 1<<20, nil); err != nil || a != nil {
				t.Errorf("before: %v, %v", a, err)
			}
			one, two := twoFiles(100), twoFiles(5000)
			for tag, a := range map[string]*Artifact{"one": one, "two": two} {
				for range 2 {
					if err := m.PutArtifact(t.Context(), repo.WithTag(tag), a); err != nil {
						t.Fatal(err)
					}
				}
			}
			tags, err := m.Tags(t.Context(), repo)
			if slices.Sort(tags); err != nil || !slices.Equal(tags, []string{"one", "two"}) {
				t.Errorf("%v, %v", tags, err)
			}
			got, err := m.Artifact(t.Context(), repo.WithTag("two"), 1<<20, nil)
			if err != nil || got.Type != two.Type || !bytes.Equal(got.File("notes.json"), two.Files[0].Body) || got.File("other") != nil {
				t.Errorf("%+v, %v", got, err)
			}
			var wrong *ArtifactError
			if _, err := m.Artifact(t.Context(), repo.WithTag("two"), 4000, nil); !errors.As(err, &wrong) || wrong.Hint() == "" || !wrong.Permanent() {
				t.Errorf("too large: %v", err)
			}
			if sent := m.Sent(); sent != (Sent{}) {
				t.Errorf("counted as content: %+v", sent)
			}
		})
	}
}

// TestArtifactAsImage has a registry that takes no unknown types get an image.
func TestArtifactAsImage(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.Start(t).Host)
	var refused atomic.Int32
	status := http.StatusBadRequest
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			return false
		}
		body := []byte(peek(r))
		if !bytes.Contains(body, []byte(`"artifactType"`)) {
			return false
		}
		refused.Add(1)
		return refuse(w, r, status, "MANIFEST_INVALID", "unknown media type")
	}
	m := mirrorAt(insecure(t), p.Host, 2)
	ref := oci.Ref{Registry: p.Host, Repository: "mirror/a", Tag: "one"}
	if err := m.PutArtifact(t.Context(), ref, twoFiles(10)); err != nil || refused.Load() == 0 {
		t.Fatalf("%v, refused %d times", err, refused.Load())
	}
	got, err := m.Artifact(t.Context(), ref, 1000, nil)
	if err != nil || got.Type != twoFiles(10).Type || len(got.File("notes.json")) != 10 {
		t.Errorf("%+v, %v", got, err)
	}
	status = http.StatusForbidden
	ref.Tag = "two"
	var answer *RegistryError
	if err := m.PutArtifact(t.Context(), ref, twoFiles(20)); !errors.As(err, &answer) || answer.Status != status {
		t.Errorf("a refusal of the push: %v", err)
	}
}

// TestArtifactLater has a registry serve a tag some time after it took it, and one that never does.
func TestArtifactLater(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.Start(t).Host)
	var asked atomic.Int32
	late := int32(3)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/manifests/one") && r.Method == http.MethodGet && asked.Add(1) < late {
			return refuse(w, r, http.StatusNotFound, "MANIFEST_UNKNOWN", "")
		}
		return false
	}
	c := insecure(t)
	c.lookFor = 300 * time.Millisecond
	ref := oci.Ref{Registry: p.Host, Repository: "mirror/a", Tag: "one"}
	if err := mirrorAt(c, p.Host, 2).PutArtifact(t.Context(), ref, twoFiles(10)); err != nil {
		t.Error(err)
	}
	late = 1 << 30
	var absent *ArtifactError
	if err := mirrorAt(c, p.Host, 2).PutArtifact(t.Context(), ref, twoFiles(10)); !errors.As(err, &absent) || !absent.Absent {
		t.Errorf("never served: %v", err)
	}
}

// TestArtifactOverwritten has another run take the tag, and a registry whose tags do not move.
func TestArtifactOverwritten(t *testing.T) {
	t.Parallel()
	p := registrytest.StartProxy(t, registrytest.Start(t).Host)
	m := mirrorAt(insecure(t), p.Host, 2)
	ref := oci.Ref{Registry: p.Host, Repository: "mirror/a", Tag: "one"}
	if err := m.PutArtifact(t.Context(), ref, twoFiles(10)); err != nil {
		t.Fatal(err)
	}
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/one") {
			w.WriteHeader(http.StatusCreated) // and is overwritten at once
			return true
		}
		return false
	}
	var other *ArtifactError
	if err := m.PutArtifact(t.Context(), ref, twoFiles(20)); !errors.As(err, &other) || other.Absent {
		t.Errorf("overwritten: %v", err)
	}
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/one") && refuse(w, r, http.StatusConflict, "TAG_INVALID", "immutable")
	}
	var tag *TagError
	if err := m.PutArtifact(t.Context(), ref, twoFiles(20)); !errors.As(err, &tag) {
		t.Errorf("immutable: %v", err)
	}
	if err := m.PutArtifact(t.Context(), ref, twoFiles(10)); err != nil {
		t.Errorf("immutable, and the same: %v", err)
	}
}

// TestNoArtifact refuses to read what is none.
func TestNoArtifact(t *testing.T) {
	t.Parallel()
	host := registrytest.Start(t).Host
	c := ocitest.New(5)
	list := c.Index(false, c.Image(false, c.Layer(100, ocitest.LayerGzip)))
	image := c.Image(false, c.Layer(100, ocitest.LayerGzip))
	m := mirrorAt(insecure(t), host, 2)
	mustFill(t, m, c, images(map[string]oci.Descriptor{"list": list, "image": image}))
	for _, name := range []string{"list", "image"} {
		var wrong *ArtifactError
		ref := oci.Ref{Registry: host, Repository: "mirror/team/" + name, Tag: "1"}
		if a, err := m.Artifact(t.Context(), ref, 1<<20, nil); !errors.As(err, &wrong) || wrong.Why == "" {
			t.Errorf("%s: %v, %v", name, a, err)
		}
	}
}

// TestTagsGrammar leaves out of a registry's list what cannot be a tag: it would become a part of
// addresses, and of what people read.
func TestTagsGrammar(t *testing.T) {
	t.Parallel()
	good := []string{"1", "_x", "v1.0-a_b", strings.Repeat("a", 128)}
	bad := []string{"", ".a", "-a", "a/b", "../x", "a b", "a?n=1", "a\x1b[2J", "a\n", "\u00e9", "sha256:" + strings.Repeat("0", 64), strings.Repeat("a", 129)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "a", "tags": slices.Concat(bad, good)})
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	tags, err := mirrorAt(insecure(t), host, 2).Tags(t.Context(), oci.Ref{Registry: host, Repository: "mirror/a"})
	if err != nil || !slices.Equal(tags, good) {
		t.Errorf("%q, %v", tags, err)
	}
}
