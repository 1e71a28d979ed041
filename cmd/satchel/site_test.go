package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestMirrorKnown: what this host logs in with, as the cluster's YAML must know it.
func TestMirrorKnown(t *testing.T) {
	for entry, want := range map[string]*manifests.Credential{
		`{"auth":"ZmFrZTpmYWtl"}`:                         {Username: "fake", Password: "fake"},
		`{"auth":"ZmFrZTpmYWtl","identitytoken":"token"}`: {Token: true},
		`{}`: nil,
	} {
		authfile := filepath.Join(t.TempDir(), "auth.json")
		if err := os.WriteFile(authfile, []byte(`{"auths":{"mirror.example":`+entry+`}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		var site manifests.Site
		err := mirrorKnown(&site, transport.NewClient(transport.Config{Authfile: authfile}), oci.Mirror{Host: "mirror.example"})
		if err != nil || !reflect.DeepEqual(site.Credential, want) {
			t.Errorf("%s: got %v, %v", entry, site.Credential, err)
		}
	}
}

// TestSiteFlags: a hint about the cluster's YAML names the flag to change.
func TestSiteFlags(t *testing.T) {
	t.Parallel()
	_, _, err := manifests.Emit(&oci.Inventory{}, manifests.Site{Mirror: oci.Mirror{Host: "mirror.example"}, CA: []byte("nothing")})
	if lines, hints := explain(err); exitCode(err) != exitUsage || len(lines) != 1 || len(hints) != 1 || !strings.HasSuffix(hints[0], "; the flag is --ca-file") {
		t.Errorf("got %v, hints %q", err, hints)
	}
	site := reflect.TypeFor[manifests.Site]()
	for _, field := range []string{"Mirror", "PullSecret", "Credential", "CA", "PresentCA", "PresentImage", "CatalogNames"} {
		if _, ok := site.FieldByName(field); !ok || siteFlag(field) == "" {
			t.Errorf("%s is no field of Site, or no flag sets it", field)
		}
	}
}
