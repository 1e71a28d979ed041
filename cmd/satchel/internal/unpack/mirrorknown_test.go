package unpack

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestMirrorKnown: what this host logs in with, as the cluster's YAML must know it.
func TestMirrorKnown(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]*manifests.Credential{
		`{"auth":"ZmFrZTpmYWtl"}`:                         {Username: "fake", Password: "fake"},
		`{"auth":"ZmFrZTpmYWtl","identitytoken":"token"}`: {Token: true},
		`{}`: nil,
	} {
		authfile := filepath.Join(t.TempDir(), "auth.json")
		if err := os.WriteFile(authfile, []byte(`{"auths":{"mirror.example":`+entry+`}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		site := manifests.Site{Mirror: oci.Mirror{Host: "mirror.example"}}
		err := mirrorKnown(&site, transport.NewClient(transport.Config{Authfile: authfile}))
		if err != nil || !reflect.DeepEqual(site.Credential, want) {
			t.Errorf("%s: got %v, %v", entry, site.Credential, err)
		}
	}
}
