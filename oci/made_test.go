package oci_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

const testArtifact = "application/vnd.example.files"

func TestArtifactRoundTrip(t *testing.T) {
	files := []oci.Titled{
		{Title: "a.yaml", MediaType: "application/yaml", Body: []byte("a: 1\n")},
		{Title: "restore/b.md", MediaType: "text/markdown", Body: []byte("# b\n")},
		{Title: "c.txt", MediaType: "text/plain", Body: []byte("a: 1\n")},
	}
	var m, again oci.Made
	root, err := m.Artifact(testArtifact, files)
	if err != nil {
		t.Fatal(err)
	}
	if other, err := again.Artifact(testArtifact, files); err != nil || other.Digest != root.Digest {
		t.Errorf("the same files gave %s and %s (%v)", root.Digest, other.Digest, err)
	}
	got, err := oci.ReadArtifact(context.Background(), &m, root, testArtifact)
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b oci.Titled) bool {
		return a.Title == b.Title && a.MediaType == b.MediaType && string(a.Body) == string(b.Body)
	}
	if !slices.EqualFunc(got, files, same) {
		t.Errorf("got %v", got)
	}
	if all := m.All(); len(all) != 4 || all[len(all)-1].Digest != root.Digest {
		t.Errorf("made %v: one config, two different layers and, last, the manifest belong there", all)
	}
	if _, err := oci.ReadArtifact(context.Background(), &m, root, "application/vnd.other"); err == nil {
		t.Error("an artifact of another type was taken")
	}
}

func TestArtifactTitlesAreUntrusted(t *testing.T) {
	for _, titles := range [][]string{{"../a"}, {"/a"}, {"a//b"}, {""}, {"."}, {"a\x1b[2J"}, {"a", "a"}, {"a/../../b"}} {
		var m oci.Made
		var files []oci.Titled
		for _, title := range titles {
			files = append(files, oci.Titled{Title: title, MediaType: ispec.MediaTypeImageLayer, Body: []byte(title)})
		}
		root, err := m.Artifact(testArtifact, files)
		if err != nil {
			t.Fatal(err)
		}
		var unsupported *oci.UnsupportedError
		if _, err := oci.ReadArtifact(context.Background(), &m, root, testArtifact); !errors.As(err, &unsupported) {
			t.Errorf("titles %q: got %v", titles, err)
		}
	}
}
