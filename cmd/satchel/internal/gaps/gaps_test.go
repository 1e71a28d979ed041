package gaps_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

var missing = oci.Image{Origin: manifests.OriginRelease, Source: oci.Ref{Registry: "q.example", Repository: "art", Digest: oci.Digest([]byte("art"))},
	Path: "openshift/release", Reasons: []oci.Reason{{Kind: manifests.KindRelease, Name: "4.18.1 x86_64", Part: "etcd"}}}

// TestRoundTrip: what is written is read again, with reasons as data, and says which
// release is incomplete.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	var list gaps.List
	if !list.Add(&oci.Gap{Image: missing, Err: errors.New("gone\nfor good")}) || list.Add(&oci.Gap{Image: missing, Err: errors.New("again")}) {
		t.Fatal("a gap is noted once")
	}
	body, err := list.Marshal("abcdefghijklmnop")
	if err != nil || !strings.Contains(string(body), `"name": "4.18.1 x86_64"`) || !strings.Contains(string(body), `"incomplete"`) {
		t.Fatalf("%s, %v", body, err)
	}
	file := filepath.Join(t.TempDir(), "gaps.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	back, err := gaps.Read(file)
	if err != nil || back.Bundle != "abcdefghijklmnop" || len(back.Images) != 1 || back.Images[0].Reason() != "gone for good" ||
		!back.Names(missing) || back.Digest() != list.Digest() {
		t.Errorf("%+v, %v", back, err)
	}
	elsewhere := missing
	elsewhere.Path = "other"
	if back.Names(elsewhere) {
		t.Error("an image in another place of the mirror is named")
	}
}

// TestRead refuses what is no list, and names the file.
func TestRead(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"not JSON":             "gone",
		"something else":       `{"images": [{"origin": "release", "source": "q.example/a:v1", "error": "gone"}]}`,
		"empty":                `{"satchel": "gaps/1", "images": []}`,
		"a wrong subject":      `{"satchel": "gaps/1", "images": [{"origin": "release", "source": "q.example/a:v1", "subject": "x", "error": "gone"}]}`,
		"a list that is newer": `{"satchel": "gaps/2", "images": [{"origin": "release", "source": "q.example/a:v1", "error": "gone"}]}`,
	} {
		file := filepath.Join(t.TempDir(), "list.json")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		var bad *gaps.FileError
		if _, err := gaps.Read(file); !errors.As(err, &bad) || bad.File != file {
			t.Errorf("%s: %v", name, err)
		}
	}
}
