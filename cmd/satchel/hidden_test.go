package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// obeyed are characters that a terminal obeys, or that hide or turn what stands around them:
// in a bundle's documents, where the format lets them through, and with control characters too.
const (
	turning = "\u202e\u2066\u200b\u200f\ufeff\u2028\u2029\u00ad"
	obeyed  = "\x1b[31m\a\u009b2J\x7f\xff" + turning
)

// plain fails where a text has one of them raw.
func plain(t *testing.T, what, s string) {
	t.Helper()
	for line := range strings.Lines(s) {
		bad := strings.ContainsFunc(line, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsGraphic(r) })
		if bad || !utf8.ValidString(line) {
			t.Errorf("%s: %q", what, line)
		}
	}
}

// plainFiles looks at what a command wrote into dir.
func plainFiles(t *testing.T, what, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		body, err := os.ReadFile(name)
		plain(t, what+" wrote "+d.Name(), string(body))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

// TestHiddenInBundle has a bundle whose free texts turn and hide words: no command prints or
// writes one of these characters as it is.
func TestHiddenInBundle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := ocitest.New(512)
	root := c.Image(false, c.Layer(1000, ocitest.LayerGzip))
	var docs oci.Memory
	yaml, err := docs.Artifact("application/vnd.satchel.cluster-yaml.v1", []oci.ArtifactFile{
		{Title: "$(touch x) 'a.yaml", MediaType: "application/yaml", Body: []byte("a: \"" + turning + "\"\n")},
		{Title: "-APPLY.md", MediaType: "text/markdown", Body: []byte(turning + "rm -rf\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	put := []oci.Descriptor{root, yaml}
	err = oci.Walk(t.Context(), &docs, yaml, func(d oci.Descriptor, body []byte) error {
		blob, err := oci.ReadBlob(t.Context(), &docs, d, 1<<20)
		c.Blob(blob, d.MediaType)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ref := oci.Ref{Registry: "quay.io", Repository: "team/app", Tag: "v1"}
	gone := oci.Image{Origin: manifests.OriginAdditional, Source: oci.Ref{Registry: "quay.io", Repository: "team/gone", Tag: "v1"}, Tags: []string{"v1"}}
	inv := &oci.Inventory{
		Images:    []oci.Image{{Origin: manifests.OriginAdditional, Source: ref, Root: root, Tags: []string{"v1"}}},
		Gaps:      []oci.Gap{{Image: gone, Err: errors.New("it said " + obeyed)}},
		Documents: []oci.Document{{Name: "cluster-yaml", Root: yaml}},
	}
	w.forge(inv, c, put...)
	out, mirror := filepath.Join(w.dir, "out"), registrytest.StartSparse(t).Host+"/ocp"
	for _, args := range [][]string{
		{"list", w.dir}, {"verify", w.drive}, {"inspect", "-i", w.key, w.drive}, {"inspect", "-i", w.key, "--manifests", w.drive},
		{"inspect", "-i", w.key, "--manifests", "-o", "json", w.drive}, {"inspect", "-i", w.key, "-o", "yaml", w.drive},
		{"diff", "-i", w.key, w.drive, w.drive}, w.unpack(mirror, "--output-dir", out),
		{"render", "-i", w.key, "--to", mirror, "--tls-verify=false", "--output-dir", filepath.Join(w.dir, "rendered"), w.drive},
	} {
		r := w.run(args...)
		if r.stdout+r.stderr == "" {
			t.Errorf("%s says nothing", args[0])
		}
		plain(t, strings.Join(args[:len(args)-1], " "), r.stdout+"\n"+r.stderr)
	}
	plainFiles(t, "unpack", out)
	plainFiles(t, "render", filepath.Join(w.dir, "rendered"))
}

// TestHiddenFromRegistry has a registry say them, wherever it may.
func TestHiddenFromRegistry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var said atomic.Int64
	lying := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		said.Add(1)
		raw := obeyed[len("\x1b[31m\a"):] // a header cannot have C0
		switch {
		case strings.Contains(r.URL.Path, "/realm/"):
			rw.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/`+raw+`",service="`+raw+`"`)
			rw.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/moved/"):
			rw.Header().Set("Location", "http://"+raw+"/")
			rw.WriteHeader(http.StatusTemporaryRedirect)
		case strings.Contains(r.URL.Path, "/type/"):
			rw.Header().Set("Content-Type", "application/"+raw)
			rw.Header().Set("Docker-Content-Digest", raw)
			fmt.Fprint(rw, obeyed)
		case r.URL.Path == "/v2/":
		default:
			rw.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(rw, `{"errors":[{"code":%q,"message":"%s \u001b[31m"}]}`, raw, raw)
		}
	}))
	t.Cleanup(lying.Close)
	host := strings.TrimPrefix(lying.URL, "http://")
	for _, repo := range []string{"realm/a", "moved/a", "type/a", "error/a"} {
		w.images(host + "/" + repo + ":v1")
		for _, args := range [][]string{w.pack("--keep-going", "--retry-times=0"), {"plan", "-c", w.config, "--tls-verify=false", "--retry-times=0"}} {
			said.Store(0)
			r := w.run(args...)
			if r.code == exitOK || said.Load() == 0 {
				t.Errorf("%s %s: exit %d, %d requests: %s", args[0], repo, r.code, said.Load(), r.stderr)
			}
			plain(t, args[0]+" "+repo, r.stdout+"\n"+r.stderr)
		}
	}
}
