package prepare_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestListOfLostDrives: a list from inside brings beyond the configuration only what this host pinned for that bundle.
func TestListOfLostDrives(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 57)
	c := b.Content
	push := func(repo string) string {
		return b.Push(c.Image(false, c.Layer(1000, ocitest.LayerTar)), repo, "v1")
	}
	kept, dropped, other := push("team/kept"), push("team/dropped"), push("evil/other")
	job := b.Pack(b.Prepare(jobtest.Images(kept, dropped)), "drive")
	done, err := pack.Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	first := prepared(t, b.Prepare(jobtest.Images(kept, dropped, other))).Graph.Images
	gap := func(ref string, change func(*oci.Image)) oci.Gap {
		i := slices.IndexFunc(first, func(img oci.Image) bool { return img.Source.String() == ref })
		img := first[i]
		if change != nil {
			change(&img)
		}
		return oci.Gap{Image: img, Err: errors.New("lost")}
	}
	foreign := gap(other, nil).Image.Root
	push("team/kept") // it moves
	for name, c := range map[string]struct {
		gap      oci.Gap
		journals string
		want     string // the digest; "" if it is refused
	}{
		"of the configuration, moved since":     {gap(kept, nil), job.State, gap(kept, nil).Image.Root.Digest.String()},
		"of the bundle alone":                   {gap(dropped, nil), job.State, gap(dropped, nil).Image.Root.Digest.String()},
		"of the bundle, on another host":        {gap(dropped, nil), "", ""},
		"of neither":                            {gap(other, nil), job.State, ""},
		"of the bundle, with another digest":    {gap(dropped, func(i *oci.Image) { i.Root = foreign }), job.State, ""},
		"of the bundle, at another path":        {gap(dropped, func(i *oci.Image) { i.Path = "team/kept" }), job.State, ""},
		"attached to something, from somewhere": {gap(other, func(i *oci.Image) { i.Subject = foreign.Digest }), job.State, ""},
		"all that is attached, from somewhere":  {gap(other, func(i *oci.Image) { i.Subject, i.Source = foreign.Digest, i.Source.WithDigest(foreign.Digest) }), job.State, ""},
	} {
		o := b.Prepare(jobtest.Images(kept))
		o.Journals, o.Only = c.journals, &gaps.List{Bundle: done.Bundle, Lost: []string{"X-2"}, Images: []oci.Gap{c.gap}}
		s := prepare.New(o)
		t.Cleanup(s.Close)
		err := s.Pin(t.Context())
		var refused *prepare.ListError
		switch {
		case c.want == "" && !errors.As(err, &refused):
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err != nil || len(s.Graph.Images) != 1 || s.Graph.Images[0].Root.Digest.String() != c.want):
			t.Errorf("%s: %v, %+v", name, err, s.Graph.Images)
		}
	}
}
