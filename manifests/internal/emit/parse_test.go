package emit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
)

var testCANotAfter = time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)

// testCA is the certificate of the golden files.
func testCA(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/ca.pem")
	must(t, err)
	return string(b)
}

// leafPEM makes a certificate that is no authority.
func leafPEM(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "mirror"}, NotAfter: testCANotAfter, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, &key.PublicKey, key)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestParseImageConfig(t *testing.T) {
	t.Parallel()
	got, err := site.ParseImageConfig("f", []byte("\xef\xbb\xbfapiVersion: config.openshift.io/v1\r\nkind: Image\r\nmetadata: {name: cluster, managedFields: [{x: y}]}\r\nspec:\r\n  additionalTrustedCA: {name: my-ca}\r\n  registrySources:\r\n    insecureRegistries: [a.example:5000/x]\r\n    allowedRegistries: ['*.b.example']\r\n"))
	want := &site.ImageConfig{TrustedCA: "my-ca", Sources: site.RegistrySources{Insecure: []string{"a.example:5000/x"}, Allowed: []string{"*.b.example"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = site.ParseImageConfig("f", []byte(`{"apiVersion":"config.openshift.io/v1","kind":"Image","spec":{"registrySources":{"blockedRegistries":["c.example"]}},"status":{}}`))
	if err != nil || !reflect.DeepEqual(got.Sources.Blocked, []string{"c.example"}) {
		t.Errorf("JSON: got %+v, %v", got, err)
	}
	got, err = site.ParseImageConfig("f", sharedFile(t, "cluster/sno-ocp-4.13.0-ec.4/images.yaml"))
	if err != nil || !reflect.DeepEqual(got, &site.ImageConfig{}) {
		t.Errorf("a real one: got %+v, %v", got, err)
	}
}

func TestParsePresentRefuses(t *testing.T) {
	t.Parallel()
	const image, cm = "apiVersion: config.openshift.io/v1\nkind: Image\n", "kind: ConfigMap\nmetadata: {name: a}\n"
	parseImage := func(s string) error { _, err := site.ParseImageConfig("f", []byte(s)); return err }
	parseCA := func(s string) error { _, err := site.ParseRegistryCA("f", []byte(s)); return err }
	parseSecret := func(s string) error { _, err := site.ParsePullSecret("f", []byte(s)); return err }
	for _, c := range []struct {
		name  string
		parse func(string) error
		text  string
		want  string
	}{
		{"empty", parseImage, "", "f:1:1: the file is empty"},
		{"other kind", parseImage, "apiVersion: v1\nkind: List\n", "f:2:7: this is another object"},
		{"other image", parseImage, "apiVersion: image.openshift.io/v1\nkind: Image\n", "f:2:7:"},
		{"entry", parseImage, image + "spec: {registrySources: {blockedRegistries: [a, 'b c']}}\n", "f:3:49: spec.registrySources.blockedRegistries[1]"},
		{"tag of a host", parseImage, image + "spec: {registrySources: {blockedRegistries: ['a:latest']}}\n", "f:3:46:"},
		{"short digest", parseImage, image + "spec: {registrySources: {blockedRegistries: ['a/b@sha256:00']}}\n", "f:3:46:"},
		{"wildcard", parseImage, image + "spec: {registrySources: {allowedRegistries: ['*']}}\n", "f:3:46:"},
		{"ca name", parseImage, image + "spec: {additionalTrustedCA: {name: A}}\n", "f:3:36:"},
		{"type", parseImage, image + "spec: {registrySources: {blockedRegistries: a}}\n", "f:3:45:"},
		{"not a ConfigMap", parseCA, "kind: Secret\n", "f:1:7: this is not a ConfigMap"},
		{"no name", parseCA, "kind: ConfigMap\n", "f:1:1: metadata.name"},
		{"namespace", parseCA, "kind: ConfigMap\nmetadata: {name: a, namespace: b}\n", "f:2:32:"},
		{"data", parseCA, cm + "data: [a]\n", "f:3:7: data must be a mapping"},
		{"value", parseCA, cm + "data:\n  a: 5\n", "f:4:6: a value of data must be text"},
		{"key", parseCA, cm + "data:\n  'a:5': x\n", "f:4:3: this is not a key"},
		{"key twice", parseCA, cm + "data:\n  a: x\n  a: y\n", "f:5:3: this key is in data twice"},
		{"syntax", parseCA, cm + "data: {\n", "f:3:1:"},
		{"pull secret", parseSecret, "{\n", "f:2:1: a name in double quotes"},
	} {
		err := c.parse(c.text)
		var e *imageset.ConfigError
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// TestParseTakesOneImage: an entry may name one image, as the documentation's examples do.
func TestParseTakesOneImage(t *testing.T) {
	t.Parallel()
	want := []string{"reg1.io/myrepo/myapp:latest", "reg1.io:5000/a@sha256:" + strings.Repeat("a", 64)}
	got, err := site.ParseImageConfig("f", []byte("apiVersion: config.openshift.io/v1\nkind: Image\nspec: {registrySources: {allowedRegistries: ["+strings.Join(want, ", ")+"]}}\n"))
	if err != nil || !reflect.DeepEqual(got.Sources.Allowed, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestParsePresentIsSilent: whoever gives the wrong file reads nothing of it again.
func TestParsePresentIsSilent(t *testing.T) {
	t.Parallel()
	const image, cm = "apiVersion: config.openshift.io/v1\nkind: Image\n", "kind: ConfigMap\nmetadata: {name: a}\n"
	for _, text := range []string{
		"SECRETPW", "- SECRETPW", "*SECRETPW", "kind: *SECRETPW\n", "a: SECRETPW\n b: c\n", "kind: {SECRETPW: 1}\n", "kind: [SECRETPW]\n", "kind: SECRETPW\n", "metadata: SECRETPW\n",
		"kind: SECRETPW\nkind: SECRETPW\n", "--- SECRETPW\n--- SECRETPW\n", `{"auths":{"q":{"auth":"SECRETPW"}}}`, `{"kind":"ConfigMap","metadata":{"name":"SECRETPW"}}`,
		"kind: ConfigMap\nmetadata: {name: a, namespace: SECRETPW}\n", cm + "data: SECRETPW\n", cm + "data: {SECRETPW: 1}\n", cm + "data: {'SECRETPW:': x}\n", cm + "data: {SECRETPW: a, SECRETPW: b}\n",
		image + "spec: SECRETPW\n", image + "spec: {additionalTrustedCA: {name: SECRETPW}}\n", image + "spec: {registrySources: {allowedRegistries: SECRETPW}}\n",
		image + "spec: {registrySources: {allowedRegistries: ['SECRETPW!']}}\n", "apiVersion: SECRETPW\nkind: Image\n",
	} {
		_, errCA := site.ParseRegistryCA("f", []byte(text))
		_, errImage := site.ParseImageConfig("f", []byte(text))
		if errCA == nil && errImage == nil {
			t.Errorf("%q is taken", text)
		}
		for _, err := range []error{errCA, errImage} {
			if err != nil && strings.Contains(err.Error(), "SECRETPW") {
				t.Errorf("%q is repeated: %v", text, err)
			}
		}
	}
}
