package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// forge makes a sealed bundle with an inventory that pack would not write.
func (w *world) forge(inv *oci.Inventory, content *ocitest.Content, roots ...oci.Descriptor) {
	w.t.Helper()
	to, err := bundle.ParseRecipients([]string{w.recipient}, nil, nil)
	if err == nil {
		_, err = bundle.MakeDir(w.drive)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := bundle.Create(w.drive, filepath.Join(w.dir, "state"), bundle.Job{Config: digest.FromString("a configuration"), Recipients: to, SegmentSize: bundle.MinSegmentSize, Lanes: 1}, inv)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx := context.Background()
	for _, root := range roots {
		err = errors.Join(err, oci.Walk(ctx, content, root, func(d oci.Descriptor, _ []byte) error { return b.Put(ctx, d, content) }))
	}
	_, sealErr := b.Seal(ctx, inv)
	if err = errors.Join(err, sealErr, b.Close()); err != nil {
		w.t.Fatal(err)
	}
}

// TestForgedWithout has bundles that claim to go without what no index names: it is
// their fault, found before the first push, and not the mirror's.
func TestForgedWithout(t *testing.T) {
	t.Parallel()
	c := ocitest.New(508)
	layer := c.Layer(1000, ocitest.LayerGzip)
	root := c.IndexFor(false, []string{"amd64", "arm64"}, c.Image(false, layer), c.ImageFor("arm64", false, c.Layer(1000, ocitest.LayerGzip)))
	for name, d := range map[string]digest.Digest{"layer": layer.Digest, "nothing": oci.Digest([]byte("nothing"))} {
		w := newWorld(t)
		img := oci.Image{Origin: manifests.OriginAdditional, Source: oci.Ref{Registry: "quay.io", Repository: "team/app", Tag: "v1"}, Root: root, Tags: []string{"v1"}, Omitted: []digest.Digest{d}}
		w.forge(&oci.Inventory{Images: []oci.Image{img}}, c, root)
		w.run("verify", w.drive).want(exitOK) // which has no key
		words := []string{"is damaged: its content is not what the format allows", "its inventory entry omits manifest " + d.String() + ", which none of its indexes names"}
		w.run("inspect", "-i", w.key, w.drive).want(exitDamaged).says(words...)
		proxy := registrytest.StartProxy(t, registrytest.StartSparse(t).Host)
		w.run(w.unpack(proxy.Host+"/ocp", "--dry-run")...).want(exitDamaged).says(words...)
		w.run(w.unpack(proxy.Host + "/ocp")...).want(exitDamaged).says(words...)
		for _, r := range proxy.Requests() {
			if !strings.HasPrefix(r, "GET ") && !strings.HasPrefix(r, "HEAD ") {
				t.Errorf("%s: %s", name, r)
			}
		}
	}
}

// peak waits for a command and gives the most memory that it was seen to have, in MiB. What
// the kernel counts at its end has the memory of the process that started it.
func (p *process) peak() (r result, most int64) {
	stop, seen := make(chan struct{}), make(chan int64)
	go func() {
		var most int64
		for {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)) // none once it has ended
			_, text, _ := strings.Cut(string(status), "VmHWM:")
			if fields := strings.Fields(text); len(fields) > 0 {
				if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
					most = max(most, n>>10)
				}
			}
			select {
			case <-stop:
				seen <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	r = p.wait()
	close(stop)
	return r, <-seen
}

// TestForgedNames has a small bundle name one manifest of many layers again and again: what reads
// it ends soon, and says why.
func TestForgedNames(t *testing.T) {
	t.Parallel()
	c := ocitest.New(509)
	m := ispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: oci.MediaTypeManifest, Config: c.Blob([]byte("{}"), ispec.MediaTypeEmptyJSON)}
	for i := range 10000 {
		m.Layers = append(m.Layers, oci.Descriptor{MediaType: ispec.MediaTypeImageLayer, Digest: digest.NewDigestFromEncoded(digest.SHA256, fmt.Sprintf("%064x", i)), Size: 1})
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	root := c.Blob(body, oci.MediaTypeManifest)
	inv := &oci.Inventory{}
	for i := range 1000 {
		ref := oci.Ref{Registry: "quay.io", Repository: "team/app", Tag: fmt.Sprint("v", i)}
		inv.Images = append(inv.Images, oci.Image{Origin: manifests.OriginAdditional, Source: ref, Root: root, Tags: []string{ref.Tag}})
	}
	inv.Sort()
	w := newWorld(t)
	as := root
	as.MediaType = ispec.MediaTypeImageLayer // none of what it names is in the bundle
	w.forge(inv, c, as)
	w.run("verify", w.drive).want(exitOK)
	for _, args := range [][]string{
		{"inspect", "-i", w.key, w.drive},
		w.unpack(registrytest.StartSparse(t).Host + "/ocp"),
		{"serve", "-i", w.key, "--listen", "127.0.0.1:0", w.drive},
		{"diff", "-i", w.key, w.drive, w.drive},
	} {
		r, peak := w.start(args...).peak()
		if r.code != exitDamaged || peak == 0 || peak > 256 || !strings.Contains(r.stderr, "the bundle in "+w.drive) {
			t.Errorf("%s: exit %d, %d MiB: %s", args[0], r.code, peak, r.stderr)
		}
	}
}
