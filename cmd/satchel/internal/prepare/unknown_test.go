package prepare_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// denySignatures has the registry refuse what is under cosign's tags for signatures.
func denySignatures(b *jobtest.Bench, status int) {
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		denied := strings.HasSuffix(r.URL.Path, ".sig")
		if denied {
			w.WriteHeader(status)
		}
		return denied
	}
}

// TestUnknownSignatures has a registry that gives images and refuses to say whether they
// are signed: that is kept with the images, and said once.
func TestUnknownSignatures(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 51)
	c := b.Content
	refs := []string{
		b.Push(c.Index(false, c.Image(false, c.Layer(1000, ocitest.LayerTar)), c.ImageFor("arm64", false, c.Layer(1000, ocitest.LayerTar))), "team/a", "v1"),
		b.Push(c.Image(false, c.Layer(1000, ocitest.LayerTar)), "team/a", "v2"),
		b.Push(c.Image(false, c.Layer(1000, ocitest.LayerTar)), "team/b", "v1"),
	}
	denySignatures(b, http.StatusForbidden)
	s := prepared(t, b.Prepare(jobtest.Images(refs...)))
	for _, img := range s.Inventory().Images {
		if !slices.Equal(img.Unknown, []string{"sig"}) {
			t.Errorf("%s: %q", img.Source, img.Unknown)
		}
	}
	for _, repo := range []string{"team/a", "team/b"} {
		if n := strings.Count(b.Log.String(), "level=WARN msg=\"signatures: "+b.Proxy.Host+"/"+repo+" "); n != 1 {
			t.Errorf("%d warnings of %s in\n%s", n, repo, b.Log)
		}
	}
	b.Proxy.Answer = nil // the next run asks again
	for _, img := range prepared(t, b.Prepare(jobtest.Images(refs...))).Inventory().Images {
		if len(img.Unknown) > 0 {
			t.Errorf("%s: %q", img.Source, img.Unknown)
		}
	}
}

// TestSignatureOfAnEarlierBundle has the registry refuse a signature that a bundle of this
// host carried: it cannot have gone without a word.
func TestSignatureOfAnEarlierBundle(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 52)
	c := b.Content
	signed := c.Image(false, c.Layer(1000, ocitest.LayerTar))
	refs := []string{b.Push(signed, "team/a", "v1"), b.Push(c.Image(false, c.Layer(1000, ocitest.LayerTar)), "team/b", "v1")}
	b.Push(c.Image(false, c.Layer(1000, ocitest.LayerTar)), "team/a", "sha256-"+signed.Digest.Encoded()+".sig")
	o := b.Prepare(jobtest.Images(refs...))
	job := b.Pack(o, "drive")
	if _, err := pack.Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	denySignatures(b, http.StatusUnauthorized)
	o = b.Prepare(jobtest.Images(refs...))
	o.Journals = job.State
	s := prepare.New(o)
	t.Cleanup(s.Close)
	err := s.Prepare(t.Context())
	var earlier *prepare.EarlierError
	var answer *transport.RegistryError
	list, ok := oci.Gaps(err)
	if !ok || len(list) != 1 || !errors.As(err, &earlier) || !errors.As(err, &answer) || !prepare.Permanent(list[0]) {
		t.Fatalf("got %v", err)
	}
	o = b.Prepare(jobtest.Images(refs...))
	o.Journals, o.KeepGoing = job.State, true
	again := prepared(t, o)
	if len(again.Graph.Images) != 2 || len(again.Gaps.Images) != 1 || !gaps.AllAttached(again.Gaps.Images[0]) {
		t.Errorf("%v, gaps %+v", jobtest.Repos(again.Graph.Images), again.Gaps.Images)
	}
}

// TestAttachedWithoutEnd has a registry with a new referrer of each referrer.
func TestAttachedWithoutEnd(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 53)
	c := b.Content
	ref := b.Push(c.Image(false, c.Layer(1000, ocitest.LayerTar)), "team/a", "v1")
	var mu sync.Mutex
	made := map[string]string{}
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		_, subject, ok := strings.Cut(r.URL.Path, "/referrers/")
		if ok {
			w.Header().Set("Content-Type", oci.MediaTypeIndex)
			body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[],"annotations":{"of":%q}}`,
				oci.MediaTypeManifest, ispec.MediaTypeEmptyJSON, oci.Digest([]byte("{}")), subject)
			d := oci.Digest([]byte(body))
			made[d.String()] = body
			fmt.Fprintf(w, `{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, oci.MediaTypeManifest, d, len(body))
			return true
		}
		for d, body := range made {
			if strings.HasSuffix(r.URL.Path, "/manifests/"+d) {
				w.Header().Set("Content-Type", oci.MediaTypeManifest)
				fmt.Fprint(w, body)
				return true
			}
		}
		if strings.HasSuffix(r.URL.Path, "/blobs/"+oci.Digest([]byte("{}")).String()) {
			fmt.Fprint(w, "{}")
			return true
		}
		return false
	}
	s := prepared(t, b.Prepare(jobtest.Images(ref)))
	if n := len(s.Graph.Images); n != 9 || !strings.Contains(b.Log.String(), "without an end") {
		t.Errorf("%d images\n%s", n, b.Log)
	}
}
