package transport

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// patient is a client that waits an hour for an outage, so that a test shows what it does not
// take for one.
func patient(t *testing.T) *Client {
	t.Helper()
	c := insecure(t)
	c.retry = retry.Policy{Times: 2, First: time.Millisecond, Patience: time.Hour}
	return c
}

// unpacked does all that unpack does with a mirror.
func unpacked(ctx context.Context, m *Mirror, src oci.Source, inv *oci.Inventory) error {
	missing, err := m.Missing(ctx, src, inv)
	if err != nil {
		return err
	}
	if len(missing.Images)+len(missing.Blobs) > 0 {
		if err := m.ProbeImages(ctx, src, inv.Images, missing); err != nil {
			return err
		}
		if err := m.Blobs(ctx, src, slices.Values(missing.Blobs)); err != nil {
			return err
		}
		if err := m.Manifests(ctx, src, missing.Images); err != nil {
			return err
		}
	}
	return m.Confirm(ctx, src, inv.Images)
}

// storage is a registry and where it keeps its files.
type storage struct{ host, dir string }

// link is a file of the repository mirror/team/a.
func (s storage) link(path string) string {
	return filepath.Join(s.dir, "docker/registry/v2/repositories/mirror/team/a", path, "link")
}

// spoil does to a file what its name says.
func spoil(t *testing.T, file, how string) {
	t.Helper()
	body, err := os.ReadFile(file)
	switch {
	case err != nil:
	case how == "gone":
		err = os.Remove(file)
	case how == "directory":
		err = errors.Join(os.Remove(file), os.Mkdir(file, 0o700))
	default:
		body = map[string][]byte{
			"emptied": nil, "cut": body[:20], "zeros": make([]byte, len(body)), "junk": []byte("no digest and no manifest"),
			"other": bytes.Replace(body, []byte(`"schemaVersion":`), []byte(`"schemaVersion": `), 1),
		}[how]
		err = os.WriteFile(file, body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDamagedManifest has real registries lose or change what they store of one manifest, tag
// or blob. It is pushed again; where that does not mend it, the run ends at once and says what is
// damaged, and where.
func TestDamagedManifest(t *testing.T) {
	t.Parallel()
	plain, v3 := t.TempDir(), registrytest.StartV3(t, false, "", "")
	debian, current := storage{registrytest.StartOn(t, plain).Host, plain}, storage{v3.Host, v3.Dir}
	content := ocitest.New(31)
	layer := content.Layer(1000, ocitest.LayerGzip)
	child := content.Image(false, layer)
	root := content.Index(false, child)
	inv := images(map[string]oci.Descriptor{"a": root})
	for _, c := range []struct {
		at   storage
		what string // part of the repository, or "" for the manifest's own bytes
		of   oci.Descriptor
		how  string
		want string // "" for mended
	}{
		{debian, "", child, "emptied", "answers 500"},
		{debian, "", root, "junk", "answers 500"},
		{debian, "", child, "other", "changed this manifest"},
		{debian, "", child, "gone", ""},
		{debian, "", child, "directory", "as to each such request"},
		{debian, "_manifests/revisions/sha256/", child, "junk", ""},
		{debian, "_manifests/tags/1/current", oci.Descriptor{}, "emptied", ""},
		{debian, "_manifests/tags/1/current", oci.Descriptor{}, "directory", "as to each such request"},
		{debian, "_layers/sha256/", layer, "emptied", ""},
		{debian, "_layers/sha256/", layer, "directory", "as to each such request"},
		{current, "", child, "emptied", "answers 500"},
		{current, "", root, "gone", ""},
		{current, "_manifests/revisions/sha256/", child, "emptied", ""},
		{current, "_manifests/tags/1/current", oci.Descriptor{}, "emptied", ""},
	} {
		file := c.at.link(c.what)
		switch {
		case c.what == "":
			file = registrytest.BlobFile(c.at.dir, c.of.Digest)
		case c.of.Digest != "":
			file = c.at.link(c.what + c.of.Digest.Encoded())
		}
		if err := os.RemoveAll(filepath.Join(c.at.dir, "docker")); err != nil {
			t.Fatal(err)
		}
		mustFill(t, mirrorAt(patient(t), c.at.host, 2), content, inv)
		spoil(t, file, c.how)
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		err := unpacked(ctx, mirrorAt(patient(t), c.at.host, 2), content, inv)
		stop()
		name := strings.TrimPrefix(file, c.at.dir) + " " + c.how
		var hinted interface{ Hint() string }
		switch {
		case c.want == "" && err != nil, c.want != "" && err == nil:
			t.Errorf("%s: %v", name, err)
		case c.want == "":
		case !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "mirror/team/a") || !errors.As(err, &hinted):
			t.Errorf("%s: %v", name, err)
		case c.what == "" && c.how != "directory" && !strings.Contains(hinted.Hint(), strings.TrimSuffix(strings.TrimPrefix(file, c.at.dir+"/"), "/data")):
			t.Errorf("%s: the hint is %q", name, hinted.Hint())
		case !strings.Contains(hinted.Hint(), "damaged"):
			t.Errorf("%s: the hint is %q", name, hinted.Hint())
		}
	}
}

// TestDamagedOrAway tells what a registry cannot give from a registry that is away: it waits for
// one that answers 500 to everything, and for a front's 503 to one thing.
func TestDamagedOrAway(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		of     func(kind string) bool
		waits  bool
	}{
		"all fails":         {500, func(string) bool { return true }, true},
		"all looks fail":    {500, func(kind string) bool { return strings.HasPrefix(kind, "GET ") || strings.HasPrefix(kind, "HEAD ") }, true},
		"all pushes fail":   {500, func(kind string) bool { return strings.HasPrefix(kind, "P") }, true},
		"busy at one thing": {503, func(kind string) bool { return kind == "PUT manifest" }, true},
		"fails at one":      {500, func(kind string) bool { return kind == "PUT manifest" }, false},
	} {
		p := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		var failed atomic.Int32
		p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			kind := registrytest.Kind(r)
			if kind == "GET base" || !c.of(kind) || failed.Add(1) > 40 {
				return false
			}
			w.WriteHeader(c.status)
			return true
		}
		content := ocitest.New(32)
		inv := images(map[string]oci.Descriptor{"a": content.Image(false, content.Layer(1000, ocitest.LayerGzip))})
		client := patient(t)
		client.retry.Delay = time.Millisecond
		err := fill(t.Context(), mirrorAt(client, p.Host, 1), content, inv)
		if waited := failed.Load() > 40; waited != c.waits || (err == nil) != c.waits {
			t.Errorf("%s: %d requests failed, %v", name, failed.Load(), err)
		}
	}
}

// TestDamagedImmutable names what is damaged where the registry does not let it be pushed again.
func TestDamagedImmutable(t *testing.T) {
	t.Parallel()
	v3 := registrytest.StartV3(t, false, "", "")
	p := registrytest.StartProxy(t, v3.Host)
	content := ocitest.New(33)
	root := content.Image(false, content.Layer(1000, ocitest.LayerGzip))
	inv := images(map[string]oci.Descriptor{"a": root})
	mustFill(t, mirrorAt(patient(t), p.Host, 1), content, inv)
	spoil(t, registrytest.BlobFile(v3.Dir, root.Digest), "emptied")
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) == "PUT manifest" && strings.HasSuffix(r.URL.Path, "/1") {
			return refuse(w, r, 400, "TAG_INVALID", "the tag is immutable")
		}
		return false
	}
	err := fill(t.Context(), mirrorAt(patient(t), p.Host, 1), content, inv)
	var wrong *ManifestError
	if !errors.As(err, &wrong) || wrong.Status != 500 || wrong.Manifest.Digest != root.Digest {
		t.Errorf("error %v", err)
	}
}
