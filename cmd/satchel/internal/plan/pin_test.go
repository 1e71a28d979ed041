package plan_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestPin: the pinned configuration names what the first one named, after its tag has moved.
func TestPin(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 24)
	c := b.Content
	first := c.Image(true, c.Layer(10<<10, ocitest.LayerGzip))
	o := options(b, jobtest.Images(b.Push(first, "team/one", "v1")))
	o.Pin = true
	got, err := plan.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if want := "/team/one:v1@" + first.Digest.String(); !strings.Contains(string(got.Pinned), want) || len(got.NotPinned) > 0 {
		t.Errorf("%s\n%q, %q is not there", got.Pinned, got.NotPinned, want)
	}
	b.Push(c.Image(true, c.Layer(11<<10, ocitest.LayerGzip)), "team/one", "v1")
	_, set, _ := strings.Cut(string(got.Pinned), "mirror:\n")
	again, err := plan.Run(t.Context(), options(b, set))
	if err != nil {
		t.Fatal(err)
	}
	if img := again.Images[0]; len(again.Images) != 1 || img.Digest != first.Digest || len(img.Tags) == 0 || img.Tags[0] != "v1" {
		t.Errorf("%+v", again.Images)
	}
}

// TestPinGaps pins what is there, and says what was not.
func TestPinGaps(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 25)
	c := b.Content
	o := options(b, jobtest.Images(b.Push(c.Image(true, c.Layer(10<<10, ocitest.LayerGzip)), "team/one", "v1"), b.Proxy.Host+"/team/none:v1"))
	o.Pin, o.KeepGoing = true, true
	got, err := plan.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(got.Pinned), "/team/one:v1@sha256:") || !strings.Contains(string(got.Pinned), "/team/none:v1\n") || len(got.NotPinned) != 1 || !strings.Contains(got.NotPinned[0], "/team/none:v1: it was not available") {
		t.Errorf("%s\n%q", got.Pinned, got.NotPinned)
	}
}

// TestPinOthers: where an image that cannot be pinned moves meanwhile, there is an error and no file.
func TestPinOthers(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 26)
	c := b.Content
	ref := b.Push(c.Image(true, c.Layer(10<<10, ocitest.LayerGzip)), "team/one", "v1")
	chart := filepath.Join(t.TempDir(), "web")
	if err := os.MkdirAll(filepath.Join(chart, "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"Chart.yaml":         "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"templates/pod.yaml": "kind: Pod\nmetadata: {name: app}\nspec: {containers: [{name: c, image: '" + ref + "'}]}\n",
	} {
		if err := os.WriteFile(filepath.Join(chart, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := options(b, fmt.Sprintf("  helm: {local: [{path: '%s'}]}\n", chart))
	o.Pin = true
	b.Push(c.Image(true, c.Layer(11<<10, ocitest.LayerGzip)), "team/one", "v2")
	var asked atomic.Int32
	b.Proxy.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if at, is := strings.CutSuffix(r.URL.Path, "/team/one/manifests/v1"); is && asked.Add(1) > 2 {
			r.URL.Path = at + "/team/one/manifests/v2" // the tag has moved
		}
		return false
	}
	_, err := plan.Run(t.Context(), o)
	var others *plan.PinError
	if !errors.As(err, &others) || len(others.Others) == 0 {
		t.Errorf("%v, after %d requests", err, asked.Load())
	}
}
