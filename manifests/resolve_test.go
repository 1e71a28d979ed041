package manifests

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/pin"
	"github.com/satchel-airgap/satchel/oci"
)

func TestResolve(t *testing.T) {
	f := asktest.NewImages()
	amd, arm := f.PutImage("linux/amd64", "a"), f.PutImage("linux/arm64", "b")
	index := f.PutBlob(oci.MediaTypeIndex, fmt.Sprintf(
		`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":"arm64"}},{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux","architecture":"amd64"}}]}`,
		oci.MediaTypeIndex, arm.MediaType, arm.Digest, arm.Size, amd.MediaType, amd.Digest, amd.Size))
	moved := amd
	moved.Annotations = map[string]string{"of": "the registry"}
	f.Refs["z.io/multi:v1"] = index
	f.Refs["a.io/one:v1"] = moved
	f.Refs["a.io/one@"+amd.Digest.String()] = amd
	f.Refs["a.io/two@"+arm.Digest.String()] = arm

	both := "a.io/two:v2@" + arm.Digest.String()
	bare := "a.io/one@" + amd.Digest.String()
	inv, err := Resolve(t.Context(), asktest.ParseImages(t, "z.io/multi:v1", both, "a.io/one:v1", bare, "a.io/one:v1"), f)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		source, tags, platforms string
		root                    digest.Digest
	}{
		{"a.io/one:v1", "v1", "linux/amd64", amd.Digest},
		{bare, "", "linux/amd64", amd.Digest},
		{both, "v2", "linux/arm64", arm.Digest},
		{"z.io/multi:v1", "v1", "linux/amd64 linux/arm64", index.Digest},
	}
	if len(inv.Images) != len(want) {
		t.Fatalf("got %d images: %+v", len(inv.Images), inv.Images)
	}
	for i, w := range want {
		img := inv.Images[i]
		if img.Source.String() != w.source || strings.Join(img.Tags, " ") != w.tags || strings.Join(img.Platforms, " ") != w.platforms ||
			img.Root.Digest != w.root || img.Root.Annotations != nil || img.Origin != origin.Additional || !slices.Equal(oci.Words(img.Reasons), []string{"additionalImages"}) {
			t.Errorf("image %d: got %+v, want %+v", i, img, w)
		}
	}
	if err := inv.Validate(); err != nil {
		t.Error(err)
	}
	slices.Sort(f.Asked)
	asked := []string{"a.io/one:v1", bare, "a.io/two@" + arm.Digest.String(), "z.io/multi:v1"}
	if !slices.Equal(f.Asked, asked) {
		t.Errorf("asked for %q, want %q", f.Asked, asked)
	}
}

func TestResolveReportsAll(t *testing.T) {
	f := asktest.NewImages()
	amd, arm := f.PutImage("linux/amd64", "a"), f.PutImage("linux/arm64", "b")
	f.Refs["a.io/good:v1"] = amd
	f.Refs["a.io/lies@"+amd.Digest.String()] = arm
	f.Refs["a.io/old:v1"] = oci.Descriptor{MediaType: "application/vnd.docker.distribution.manifest.v1+json", Digest: amd.Digest, Size: 2}
	f.Refs["a.io/gone:v1"] = oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte("gone")), Size: 4}
	lies := "a.io/lies@" + amd.Digest.String()
	_, err := Resolve(t.Context(), asktest.ParseImages(t, "z.io/none:v1", "a.io/old:v1", lies, "a.io/good:v1", "a.io/gone:v1", "a.io/none:v1"), f)
	want := "image a.io/gone:v1: blob " + oci.Digest([]byte("gone")).String() + " is not here\n" +
		"image " + lies + ": pinned to another digest, " + arm.Digest.String() + "\n" +
		"image a.io/none:v1: manifest unknown\n" +
		"image a.io/old:v1: manifest " + amd.Digest.String() + ": it is a Docker schema 1 manifest, which no current registry stores unchanged; rebuild or re-push the image\n" +
		"image z.io/none:v1: manifest unknown"
	if errorText(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var ue *oci.UnsupportedError
	if !errors.As(err, &ue) {
		t.Error("the causes are lost")
	}
}

func TestResolveParallel(t *testing.T) {
	f := asktest.NewImages()
	f.Gate = make(chan struct{})
	d := f.PutImage("linux/amd64", "a")
	var names []string
	for i := range 3 * pin.ParallelImages {
		names = append(names, fmt.Sprintf("a.io/b:v%d", i))
		f.Refs[names[i]] = d
	}
	go func() {
		for range names {
			f.Gate <- struct{}{}
		}
	}()
	inv, err := Resolve(t.Context(), asktest.ParseImages(t, names...), f)
	if err != nil || len(inv.Images) != len(names) {
		t.Fatalf("got %v, %v", inv, err)
	}
	if f.Most < 2 || f.Most > pin.ParallelImages {
		t.Errorf("%d at a time", f.Most)
	}
}

func TestResolveCancelled(t *testing.T) {
	f := asktest.NewImages()
	f.Gate = make(chan struct{})
	var names []string
	for i := range 10 * pin.ParallelImages {
		names = append(names, fmt.Sprintf("a.io/b:v%d", i))
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		f.Gate <- struct{}{} // one at least has been asked for
		cancel()
	}()
	_, err := Resolve(ctx, asktest.ParseImages(t, names...), f)
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "a.io") {
		t.Errorf("got %v", err)
	}
	if len(f.Asked) > 2*pin.ParallelImages || f.Running != 0 {
		t.Errorf("asked for %d images, %d still running", len(f.Asked), f.Running)
	}
}

func TestResolveNothing(t *testing.T) {
	for in, want := range map[string]string{
		asktest.Head + "mirror: {}\n":                      "f.yaml:3:9: there is nothing to carry: none of mirror.platform.release, mirror.platform.channels, mirror.platform.graph, mirror.operators, mirror.additionalImages and mirror.helm names an image",
		asktest.Head + "mirror:\n  samples: [{name: a}]\n": "f.yaml:4:3: mirror.samples: oc-mirror reads it and carries nothing for it; name the images under mirror.additionalImages",
	} {
		c, err := Parse("f.yaml", []byte(in))
		if err != nil {
			t.Fatal(err)
		}
		f := asktest.NewImages()
		_, err = Resolve(t.Context(), c, f)
		var ce *ConfigError
		if !errors.As(err, &ce) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if len(f.Asked) != 0 {
			t.Errorf("asked for %q", f.Asked)
		}
	}
}
