package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// foreignImage adds an image whose last layer is foreign and named by a URL.
func foreignImage(t testing.TB, c *ocitest.Content, docker bool, url string) (root, foreign oci.Descriptor) {
	t.Helper()
	foreign = c.Layer(5000, ocitest.LayerGzip)
	plain := c.Image(docker, c.Layer(4000, ocitest.LayerGzip), foreign)
	r, err := c.Reader(plain.Digest)
	if err != nil {
		t.Fatal(err)
	}
	var m ispec.Manifest
	body, err := io.ReadAll(r)
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	l := &m.Layers[1]
	l.MediaType, l.URLs = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", []string{url}
	if docker {
		l.MediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	}
	if body, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	return c.Blob(body, plain.MediaType), *l
}

// TestForeignLayers carries them when the registry has them, and never fetches
// them from their URLs.
func TestForeignLayers(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, docker := range []bool{false, true} {
		for _, there := range []bool{false, true} {
			c := ocitest.New(95)
			root, foreign := foreignImage(t, c, docker, elsewhere.URL+"/layer")
			s := newShelf(c)
			s.tags["win/app:v1"] = root
			proxy := registrytest.StartProxy(t, s.listen(t))
			proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
				if there || !strings.HasSuffix(r.URL.Path, foreign.Digest.String()) {
					return false
				}
				http.NotFound(w, r)
				return true
			}
			w := newWorld(t)
			w.images(proxy.Host + "/win/app:v1")
			packed := w.run(w.pack()...).want(exitOK)
			note := "not carried: foreign layer " + foreign.Digest.String() + " of " + proxy.Host + "/win/app:v1"
			if strings.Count(packed.stderr, note) != map[bool]int{true: 0, false: 1}[there] {
				t.Errorf("docker %v, there %v: %s", docker, there, packed.stderr)
			}
			w.run("verify", w.drive).want(exitOK)
			checkForeignMirrors(t, w, foreign, elsewhere.URL, there)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the layers' URL was asked %d times", n)
	}
}

// checkForeignMirrors unpacks into registries that take manifests with URLs and
// into one that does not.
func checkForeignMirrors(t *testing.T, w *world, foreign oci.Descriptor, url string, there bool) {
	t.Helper()
	for name, host := range map[string]string{"docker-registry": registrytest.StartWithURLs(t, url).Host, "olareg": newMirror(t)} {
		r := w.run(w.unpack(host, promptly...)...)
		if !there && name == "olareg" && r.code != exitOK {
			r.want(exitRegistry).says("it has foreign layers") // it wants every layer to be there
			continue
		}
		r.want(exitOK)
		if !there && !strings.Contains(r.stderr, "not pushed: foreign layer "+foreign.Digest.String()) {
			t.Errorf("%s: %s", name, r.stderr)
		}
		w.run(w.unpack(host)...).want(exitOK).says("nothing to do")
	}
	// Without a rule for URLs Debian's registry refuses the manifest with that reason.
	strict := registrytest.Start(t)
	w.run(w.unpack(strict.Host, promptly...)...).want(exitRegistry).says("win/app:v1: it has foreign layers", "hint: have the registry accept the URLs")
}
