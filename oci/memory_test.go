package oci_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

const testArtifact = "application/vnd.example.files"

func TestArtifactRoundTrip(t *testing.T) {
	files := []oci.ArtifactFile{
		{Title: "a.yaml", MediaType: "application/yaml", Body: []byte("a: 1\n")},
		{Title: "restore/b.md", MediaType: "text/markdown", Body: []byte("# b\n")},
		{Title: "c.txt", MediaType: "text/plain", Body: []byte("a: 1\n")},
	}
	var m, again oci.Memory
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
	same := func(a, b oci.ArtifactFile) bool {
		return a.Title == b.Title && a.MediaType == b.MediaType && string(a.Body) == string(b.Body)
	}
	if !slices.EqualFunc(got, files, same) {
		t.Errorf("got %v", got)
	}
	if all := m.Descriptors(); len(all) != 4 || all[len(all)-1].Digest != root.Digest {
		t.Errorf("made %v: one config, two different layers and, last, the manifest belong there", all)
	}
	if _, err := oci.ReadArtifact(context.Background(), &m, root, "application/vnd.other"); err == nil {
		t.Error("an artifact of another type was taken")
	}
}

func TestArtifactTitlesAreUntrusted(t *testing.T) {
	for _, titles := range [][]string{{"../a"}, {"/a"}, {"a//b"}, {""}, {"."}, {"a\x1b[2J"}, {"a", "a"}, {"a/../../b"}} {
		var m oci.Memory
		var files []oci.ArtifactFile
		for _, title := range titles {
			files = append(files, oci.ArtifactFile{Title: title, MediaType: ispec.MediaTypeImageLayer, Body: []byte("text")})
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

func TestArtifactIsText(t *testing.T) {
	for _, body := range []string{"\x1b]0;title\a", "a\x00", "\xff", "\u009b2J", strings.Repeat("a", 5<<20)} {
		var m oci.Memory
		files := []oci.ArtifactFile{{Title: "a.yaml", MediaType: "application/yaml", Body: []byte(body)}}
		var unsupported *oci.UnsupportedError
		if _, err := m.Artifact(testArtifact, files); !errors.As(err, &unsupported) {
			t.Errorf("%.10q was taken: %v", body, err)
		}
		root, err := m.Artifact(testArtifact, []oci.ArtifactFile{{Title: "a.yaml", MediaType: "application/yaml", Body: []byte("fine\n")}})
		if err != nil {
			t.Fatal(err)
		}
		hostile := m.Add("application/yaml", []byte(body))
		manifest, err := oci.ReadManifest(context.Background(), &m, root)
		if err != nil {
			t.Fatal(err)
		}
		good := m.Add("application/yaml", []byte("fine\n"))
		text := strings.Replace(string(manifest), string(good.Digest), string(hostile.Digest), 1)
		text = strings.Replace(text, `"size":5,`, fmt.Sprintf(`"size":%d,`, hostile.Size), 1)
		bad := m.Add(oci.MediaTypeManifest, []byte(text))
		if _, err := oci.ReadArtifact(context.Background(), &m, bad, testArtifact); err == nil {
			t.Errorf("%.10q was read", body)
		}
	}
}

func TestGapsAreUntrusted(t *testing.T) {
	good := oci.Gap{Image: oci.Image{Origin: "release", Source: oci.Ref{Registry: "q.example", Repository: "a", Tag: "v1"}}, Err: errors.New("404")}
	if err := (&oci.Inventory{Gaps: []oci.Gap{good}}).Validate(); err != nil {
		t.Error(err)
	}
	for name, edit := range map[string]func(*oci.Gap){
		"origin":  func(g *oci.Gap) { g.Image.Origin = "x\x1b[2J" },
		"digest":  func(g *oci.Gap) { g.Image.Root.Digest = "sha256:\n" },
		"subject": func(g *oci.Gap) { g.Image.Subject = "y" },
		"path":    func(g *oci.Gap) { g.Image.Path = "../x" },
		"source":  func(g *oci.Gap) { g.Image.Source.Repository = "" },
		"error":   func(g *oci.Gap) { g.Err = errors.New(strings.Repeat("a", 1<<20)) },
	} {
		bad := good
		edit(&bad)
		if err := (&oci.Inventory{Gaps: []oci.Gap{bad}}).Validate(); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	root := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest(nil), Size: 1}
	img := oci.Image{Origin: "release", Source: good.Image.Source, Root: root, Reasons: []oci.Reason{{Kind: "release", Name: "\x1b[2J"}}}
	if err := img.Validate(); err == nil {
		t.Error("a reason with control characters was taken")
	}
}

// none joins nothing: an error all the same.
type none struct{}

func (none) Error() string   { return "none" }
func (none) Unwrap() []error { return nil }

func TestGapsAreAllOrNothing(t *testing.T) {
	gap := &oci.Gap{Err: errors.New("gone")}
	for name, c := range map[string]struct {
		err  error
		gaps int
		ok   bool
	}{
		"nothing":      {nil, 0, true},
		"one":          {gap, 1, true},
		"joined":       {errors.Join(gap, errors.Join(gap, gap)), 3, true},
		"another":      {errors.Join(gap, errors.New("no")), 0, false},
		"joins none":   {none{}, 0, false},
		"none beside":  {errors.Join(gap, none{}), 0, false},
		"wrapped once": {fmt.Errorf("resolve: %w", gap), 0, false},
	} {
		if gaps, ok := oci.Gaps(c.err); len(gaps) != c.gaps || ok != c.ok {
			t.Errorf("%s: %d gaps, %v", name, len(gaps), ok)
		}
	}
}
