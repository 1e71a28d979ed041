package plan_test

import (
	"strings"
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
