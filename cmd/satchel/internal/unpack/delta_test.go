package unpack_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// deltas packs a bundle each week that carries what is new.
type deltas struct {
	*jobtest.Bench
	t     *testing.T
	set   string
	state string // of the packing host
	weeks []*pack.Result
}

func newDeltas(t *testing.T, seed uint64) *deltas {
	t.Helper()
	b := jobtest.New(t, seed)
	d := &deltas{Bench: b, t: t}
	d.set = jobtest.Images(d.push("team/app"), d.push("team/other"), b.Push(b.Content.Kinds()["index"], "team/list", "v1"))
	d.state = b.Pack(b.Prepare(d.set), "").State
	return d
}

// push gives the tag v1 of a repository to a new image.
func (d *deltas) push(repo string) string {
	d.t.Helper()
	return d.Push(d.Content.Image(false, d.Content.Layer(1<<16, ocitest.LayerGzip)), repo, "v1")
}

// pack packs the next week; since a bundle that arrived, if there is one.
func (d *deltas) pack(name string) *bundle.Reader {
	d.t.Helper()
	o := d.Pack(d.Prepare(d.set), name)
	known, err := baseline.OfLedger(d.state, o.Job.Stream, 0)
	var none *baseline.NoneArrivedError
	switch {
	case err == nil:
		o.Baseline, o.Since = known, []string{"last"}
	case !errors.As(err, &none):
		d.t.Fatal(err)
	}
	done, err := pack.Run(d.t.Context(), o)
	if err != nil {
		d.t.Fatal(err)
	}
	d.weeks = append(d.weeks, done)
	return d.Open(done.Dir)
}

func (d *deltas) arrived(r *bundle.Reader) {
	d.t.Helper()
	if _, err := ledger.Confirm(d.state, string(r.Fingerprint()), ledger.Arrival{How: ledger.BySlip}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deltas) options(mirror *registrytest.Proxy) unpack.Options {
	return unpack.Options{To: d.To(), Parallel: 2, Site: manifests.Site{Mirror: oci.Mirror{Host: mirror.Host, Namespace: "in"}}}
}

func newMirror(t *testing.T) *registrytest.Proxy {
	t.Helper()
	return registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host)
}

// TestDelta unpacks what is new each week. Out of order, or into a mirror that never got the
// rest, it stops before anything is written, and names the bundle that is missing; repeated,
// there is nothing to do.
func TestDelta(t *testing.T) {
	t.Parallel()
	d := newDeltas(t, 81)
	mirror := newMirror(t)
	first := d.pack("first")
	d.arrived(first)
	d.push("team/app")
	second := d.pack("second")
	d.arrived(second)
	d.push("team/other")
	third := d.pack("third")
	if n := second.Baseline().Len(); n == 0 || third.Baseline().Len() != n || first.Baseline() != nil {
		t.Fatalf("baselines of %d, %d, %d", first.Baseline().Len(), n, third.Baseline().Len())
	}
	o := d.options(mirror)
	if err := unpack.Run(t.Context(), first, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	mirror.Reset()
	var lacks *unpack.BaselineError
	err := unpack.Run(t.Context(), third, jobtest.Client(), o)
	if !errors.As(err, &lacks) || len(lacks.Lacking) != 1 || lacks.Lacking[0].From.Bundle != second.ID() || !strings.Contains(err.Error(), "1 manifest and 0 blobs of bundle 2 of the stream set ("+second.ID()+")") ||
		!strings.Contains(lacks.Hint(), second.Fingerprint().Grouped()) {
		t.Errorf("the third before the second: %v", err)
	}
	if n := mirror.Count("POST upload") + mirror.Count("PUT manifest"); n > 0 {
		t.Errorf("%d were written", n)
	}
	for _, r := range []*bundle.Reader{second, third, third} {
		if err := unpack.Run(t.Context(), r, jobtest.Client(), o); err != nil {
			t.Fatalf("%v\n%s", err, d.Log)
		}
	}
	mirror.Reset()
	empty := newMirror(t)
	if err := unpack.Run(t.Context(), third, jobtest.Client(), d.options(empty)); !errors.As(err, &lacks) || empty.Count("POST upload") > 0 {
		t.Errorf("an empty mirror: %v", err)
	}
	for _, img := range third.Inventory().Images {
		repo, err := jobtest.Client().Repository(o.Site.Mirror.Repo(img))
		if err != nil {
			t.Fatal(err)
		}
		err = oci.WalkImage(t.Context(), repo, img, func(d oci.Descriptor, body []byte) error {
			if body == nil {
				_, err := oci.ReadBlob(t.Context(), repo, d, 64<<20)
				return err
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", img.Source, err)
		}
	}
	if err := unpack.Render(t.Context(), third, jobtest.Client(), o); err != nil {
		t.Errorf("render: %v", err)
	}
}

// TestDeltaBlobs: a blob of the baseline that the mirror lost is found before anything is
// written; one that only another repository has is taken from there, also where the registry
// mounts nothing.
func TestDeltaBlobs(t *testing.T) {
	t.Parallel()
	d := newDeltas(t, 82)
	mirror := newMirror(t)
	layer := d.Content.Layer(1<<16, ocitest.LayerGzip)
	d.Push(d.Content.Image(false, layer), "team/app", "v1")
	first := d.pack("first")
	d.arrived(first)
	d.Push(d.Content.Image(true, layer), "team/other", "v1")
	second := d.pack("second")
	if second.Has(layer) {
		t.Fatal("the layer travels again")
	}
	o := d.options(mirror)
	if err := unpack.Run(t.Context(), first, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		lost := strings.HasSuffix(r.URL.Path, "/blobs/"+layer.Digest.String())
		if lost {
			w.WriteHeader(http.StatusNotFound)
		}
		return lost
	}
	mirror.Reset()
	var lacks *unpack.BaselineError
	if err := unpack.Run(t.Context(), second, jobtest.Client(), o); !errors.As(err, &lacks) || lacks.Lacking[0].Descriptor.Digest != layer.Digest || lacks.Lacking[0].From.Bundle != first.ID() || mirror.Count("PUT manifest")+mirror.Count("POST upload") > 0 {
		t.Errorf("a lost blob: %v", err)
	}
	mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool { // nothing is mounted
		if r.Method == http.MethodPost && r.URL.Query().Has("mount") {
			q := r.URL.Query()
			q.Del("mount")
			q.Del("from")
			r.URL.RawQuery = q.Encode()
		}
		return false
	}
	if err := unpack.Run(t.Context(), second, jobtest.Client(), o); err != nil {
		t.Fatalf("%v\n%s", err, d.Log)
	}
	o.Verify = transport.VerifyFull
	if err := unpack.Run(t.Context(), second, jobtest.Client(), o); err != nil {
		t.Errorf("read back: %v", err)
	}
	mirror.Alter = func(resp *http.Response) error {
		if registrytest.Kind(resp.Request) == "GET blob" && strings.HasSuffix(resp.Request.URL.Path, layer.Digest.String()) {
			resp.Body = flipped{resp.Body}
		}
		return nil
	}
	if err := unpack.Run(t.Context(), second, jobtest.Client(), o); !errors.As(err, &lacks) || lacks.Lacking[0].Fault == "" || errors.As(err, new(*bundle.DamageError)) {
		t.Errorf("wrong bytes of what is left out: %v", err)
	}
}

// TestDeltaRefused: an attachment that the mirror refused is no lack of what a bundle leaves out.
func TestDeltaRefused(t *testing.T) {
	t.Parallel()
	d := newDeltas(t, 83)
	c := d.Content
	root := c.Image(true, c.Layer(1<<16, ocitest.LayerGzip))
	empty := c.Blob([]byte("{}"), "application/vnd.oci.empty.v1+json")
	sbom := c.Blob([]byte(`{"schemaVersion":2,"mediaType":"`+oci.MediaTypeManifest+`","artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"`+
		empty.Digest.String()+`","size":2},"layers":[],"subject":{"mediaType":"`+root.MediaType+`","digest":"`+root.Digest.String()+`","size":1}}`), oci.MediaTypeManifest)
	d.Push(root, "team/app", "v1")
	d.Push(sbom, "team/app", "sbom")
	first := d.pack("first")
	d.arrived(first)
	d.push("team/other")
	second := d.pack("second")
	if second.Has(sbom) || len(second.Inventory().Images) != 4 {
		t.Fatal("the attachment travels again")
	}
	mirror := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
	mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		refused := err == nil && registrytest.Kind(r) == "PUT manifest" && bytes.Contains(body, []byte("application/spdx+json"))
		if refused {
			w.WriteHeader(http.StatusBadRequest)
		}
		return refused
	}
	for _, r := range []*bundle.Reader{first, second} {
		if err := unpack.Run(t.Context(), r, jobtest.Client(), d.options(mirror)); err != nil {
			t.Fatalf("%v\n%s", err, d.Log)
		}
	}
	o := d.options(mirror)
	o.Attachments = unpack.AttachmentsRequired
	if err := unpack.Run(t.Context(), second, jobtest.Client(), o); !errors.As(err, new(*unpack.BaselineError)) {
		t.Errorf("all are required: %v", err)
	}
}

// TestDeltaNoLogin: a mirror that refuses to give what a bundle leaves out is blamed itself, and
// not the registries that the images are from.
func TestDeltaNoLogin(t *testing.T) {
	t.Parallel()
	d := newDeltas(t, 85)
	d.push("team/app")
	first := d.pack("first")
	mirror := newMirror(t)
	if err := unpack.Run(t.Context(), first, jobtest.Client(), d.options(mirror)); err != nil {
		t.Fatal(err)
	}
	d.arrived(first)
	d.push("team/other")
	second := d.pack("second")
	mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	_, changes := unpack.Changes(t.Context(), second, jobtest.Client(), d.options(mirror))
	for _, err := range []error{changes, unpack.Run(t.Context(), second, jobtest.Client(), d.options(mirror))} {
		if err == nil || errors.As(err, new(*oci.Gap)) || !strings.Contains(err.Error(), "pull "+mirror.Host+"/in/team/app") || !strings.Contains(err.Error(), "401") {
			t.Errorf("a mirror without a login: %v", err)
		}
	}
}
