package unpack_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestAttachments has mirrors that refuse a referrer, or a signature under a tag: it is
// found before the first layer, and left out where that is allowed.
func TestAttachments(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 31)
	c := b.Content
	root := c.Image(true, c.Layer(1<<20, ocitest.LayerGzip))
	empty := c.Blob([]byte("{}"), "application/vnd.oci.empty.v1+json")
	sbom := c.Blob([]byte(`{"schemaVersion":2,"mediaType":"`+oci.MediaTypeManifest+`","artifactType":"application/spdx+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"`+
		empty.Digest.String()+`","size":2},"layers":[],"subject":{"mediaType":"`+root.MediaType+`","digest":"`+root.Digest.String()+`","size":1}}`), oci.MediaTypeManifest)
	b.Push(sbom, "team/app", "sbom")
	b.Push(c.Image(true, c.Layer(1000, ocitest.LayerGzip)), "team/app", "sha256-"+root.Digest.Encoded()+".sig")
	done, err := pack.Run(t.Context(), b.Pack(b.Prepare(jobtest.Images(b.Push(root, "team/app", "v1"))), "drive"))
	if err != nil {
		t.Fatal(err)
	}
	reader := b.Open(done.Dir)
	if n := len(reader.Inventory().Images); n != 3 || !strings.Contains(b.Log.String(), "1 image, 2 signatures and other referrers, 3 manifests, ") {
		t.Fatalf("%d images in the bundle\n%s", n, b.Log.String())
	}
	counts := []string{"", "pushed 1 image; 0 ", "pushed 1 image, 1 signature or other referrer; 0 images ", "pushed 1 image, 2 signatures and other referrers; 0 images "}
	noReferrers := func(r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return err != nil || bytes.Contains(body, []byte(`"artifactType"`))
	}
	noSignatures := func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, ".sig") }
	for name, try := range map[string]struct {
		refuses func(*http.Request) bool
		way     unpack.Attachments
		pushed  int // manifests in the end; 0: it fails before the first layer
	}{
		"a referrer, usually":   {noReferrers, unpack.AttachmentsUsual, 2},
		"a referrer, optional":  {noReferrers, unpack.AttachmentsOptional, 2},
		"a referrer, required":  {noReferrers, unpack.AttachmentsRequired, 0},
		"a referrer, none":      {noReferrers, unpack.AttachmentsNone, 1},
		"a signature, usually":  {noSignatures, unpack.AttachmentsUsual, 0},
		"a signature, optional": {noSignatures, unpack.AttachmentsOptional, 2},
		"nothing, usually":      {func(*http.Request) bool { return false }, unpack.AttachmentsUsual, 3},
	} {
		mirror := registrytest.StartProxy(t, registrytest.StartOlareg(t).Host)
		mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
			if registrytest.Kind(r) != "PUT manifest" || !try.refuses(r) {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
		o := unpack.Options{To: b.To(), Parallel: 2, Site: manifests.Site{Mirror: oci.Mirror{Host: mirror.Host}}, Attachments: try.way}
		client, before := jobtest.Client(), len(b.Log.String())
		err := unpack.Run(t.Context(), reader, client, o)
		var problem *transport.ProbeError
		if try.pushed == 0 {
			if !errors.As(err, &problem) || problem.Problem != transport.ProblemAttachment || mirror.SentBytes() > 100<<10 {
				t.Errorf("%s: %v, after %d bytes", name, err, mirror.SentBytes())
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if told := b.Log.String()[before:]; !strings.Contains(told, counts[try.pushed]) {
			t.Errorf("%s: not %q:\n%s", name, counts[try.pushed], told)
		}
		m := transport.NewMirror(client, o.Site.Mirror, 2)
		lacks, err := m.Lacks(t.Context(), reader, reader.Inventory())
		if err != nil || 3-len(lacks) != try.pushed {
			t.Errorf("%s: the mirror lacks %d images, %v", name, len(lacks), err)
		}
		if o.Out, err = outdir.Open(filepath.Join(t.TempDir(), "out")); err != nil {
			t.Fatal(err)
		}
		if err := unpack.Render(t.Context(), reader, client, o); err != nil {
			t.Errorf("%s: render: %v", name, err)
		}
		if told := b.Log.String(); try.pushed == 2 && !strings.Contains(told, "not pushed: ") {
			t.Errorf("%s: not told:\n%s", name, told)
		}
	}
}

// TestSignatureRefused: a mirror that refuses to answer for a signature that is not there
// would stop the pulls of nodes.
func TestSignatureRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, 32)
	s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, ".sig") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	var refused *transport.SignatureError
	o := s.options(t, "")
	for name, run := range map[string]func(unpack.Options) error{
		"unpack": func(o unpack.Options) error { return unpack.Run(t.Context(), s.reader, jobtest.Client(), o) },
		"render": func(o unpack.Options) error { return unpack.Render(t.Context(), s.reader, jobtest.Client(), o) },
	} {
		o.Attachments = unpack.AttachmentsNone
		if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil { // render needs the images there
			t.Fatal(err)
		}
		o.Attachments = unpack.AttachmentsUsual
		if err := run(o); !errors.As(err, &refused) || !strings.Contains(err.Error(), "team/") {
			t.Errorf("%s, usually: %v", name, err)
		}
		for _, o.Attachments = range []unpack.Attachments{unpack.AttachmentsOptional, unpack.AttachmentsNone} {
			before := len(s.Log.String())
			if err := run(o); err != nil || !strings.Contains(s.Log.String()[before:], "nodes that look for a signature") {
				t.Errorf("%s, %s: %v\n%s", name, o.Attachments, err, s.Log.String())
			}
		}
	}
}
