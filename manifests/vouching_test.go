package manifests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/graph"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func newTestSigner(t *testing.T, name string) (*ocitest.Signer, string) {
	t.Helper()
	s, err := ocitest.NewSigner(name, time.Now().Add(-time.Hour), 0)
	must(t, err)
	key, err := s.Key()
	must(t, err)
	return s, string(key)
}

// keyLayer is a layer with the ConfigMap of keys that a payload has.
func keyLayer(t *testing.T, m *made, key, annotation string) oci.Descriptor {
	t.Helper()
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: release-verification\n  annotations:\n    " + annotation + ": \"\"\ndata:\n  store-x: https://example.com\n" +
		"  verifier-public-key-x: |\n    " + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n    ") + "\n"
	d, err := m.Files(ocitest.LayerGzip, ocitest.File{Name: "release-manifests/0000_90_keys.yaml", Body: []byte(text)})
	must(t, err)
	return d
}

// chained are releases 4.0.0 to 4.N.0, each signed by a key of its own, which the one
// before it brings in its ConfigMap. Only the first is of a key that is known.
func chained(t *testing.T, annotation string, n int) (*vouching, *made) {
	t.Helper()
	m := newMade()
	m.files = map[string][]byte{}
	parts := m.components("etcd-1")
	cfg := releaseConfig(t, "quay.io/ocp/rel:none")
	cfg.Extra = Extra{SignatureURL: testStore}
	signer, key := newTestSigner(t, "key 0")
	first, err := signature.ParseKeys([]byte(key))
	must(t, err)
	var list []chosen
	for i := range n {
		next, nextKey := newTestSigner(t, fmt.Sprintf("key %d", i+1))
		version := fmt.Sprintf("4.%d.0", i)
		d, err := m.Payload(version, "amd64", parts, m.base, keyLayer(t, m, nextKey, annotation))
		must(t, err)
		ref, err := oci.ParseRef(m.at("quay.io/ocp/rel@"+d.Digest.String(), d))
		must(t, err)
		message, err := signer.Sign(ocitest.Claim(d.Digest, "quay.io/ocp/rel:"+version))
		must(t, err)
		m.files[fmt.Sprintf("%s/sha256=%s/signature-1", testStore, d.Digest.Encoded())] = message
		list = append([]chosen{{Node: graph.Node{Version: semver.MustParse(version), Payload: ref}, kind: "ocp", arch: "amd64"}}, list...)
		signer = next
	}
	v := newVouching(cfg, m, list)
	v.keys = first
	return v, m
}

// TestVouching has each release of a chain vouch for the key of the next.
func TestVouching(t *testing.T) {
	v, _ := chained(t, "release.openshift.io/verification-config-map", 3)
	must(t, v.readAll(t.Context()))
	for i := range v.list {
		must(t, v.errs[i])
		if got, want := v.read[i].signatures[0].By, fmt.Sprintf("key %d, key ", 2-i); !strings.HasPrefix(got, want) {
			t.Errorf("release %d is signed by %q", i, got)
		}
	}
}

// TestVouchingEnds has keys that do not count: of a ConfigMap that is another one, and
// beside a key that the user gave.
func TestVouchingEnds(t *testing.T) {
	refused := func(v *vouching, want int) {
		t.Helper()
		must(t, v.readAll(t.Context()))
		n := 0
		for _, err := range v.errs {
			var why *signature.Error
			if fail := unsigned(err); fail != nil && errors.As(fail.Errs[0], &why) && why.Kind == signature.UnknownKey {
				n++
			}
		}
		if n != want {
			t.Errorf("%d releases are of unknown keys: %v", n, v.errs)
		}
	}
	v, _ := chained(t, "example.com/other", 3)
	refused(v, 2)
	v, _ = chained(t, "release.openshift.io/verification-config-map", 3)
	_, v.c.Extra.SignatureKeys = newTestSigner(t, "given")
	refused(v, 2)
	v, m := chained(t, "release.openshift.io/verification-config-map", 3)
	middle := v.list[1].Payload.Digest
	m.files[fmt.Sprintf("%s/sha256=%s/signature-1", testStore, middle.Encoded())] = []byte("none")
	must(t, v.readAll(t.Context()))
	if v.errs[2] != nil || unsigned(v.errs[1]) == nil || unsigned(v.errs[0]) == nil {
		t.Errorf("a chain with a missing link: %v", v.errs)
	}
}

// unreadKeys is an [Images] that has lost the keys of releases.
type unreadKeys struct{ *made }

func (u unreadKeys) Derived(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	if strings.HasPrefix(key, formatKeys) {
		return nil, errors.New("connection reset")
	}
	return u.made.Derived(ctx, key, fill)
}

// TestVouchingUnread goes on without the keys of a good release: those that wait for
// them say that they are not verified.
func TestVouchingUnread(t *testing.T) {
	v, m := chained(t, "release.openshift.io/verification-config-map", 3)
	v.from = unreadKeys{m}
	must(t, v.readAll(t.Context()))
	if v.errs[2] != nil || unsigned(v.errs[1]) == nil || unsigned(v.errs[0]) == nil {
		t.Errorf("got %v", v.errs)
	}
	if fail := unsigned(v.errs[0]); fail == nil || fail.Hint != hintAway {
		t.Errorf("the hint of what waited is %+v", fail)
	}
	want := fmt.Sprintf("the keys that release %s brings are not read: connection reset", v.list[2].Payload)
	if n := strings.Count(strings.Join(m.notes, "\n"), want); n != 1 {
		t.Errorf("notes %q", m.notes)
	}
}

// TestRealKeys reads the ConfigMaps that releases have.
func TestRealKeys(t *testing.T) {
	for dir, want := range map[string]string{"manifests": "ci", "manifests.rhel": "redhat"} {
		m := newMade()
		body := realFile(t, "cluster-update-keys/"+dir+"/0000_90_cluster-update-keys_configmap.yaml")
		top, err := m.Files(ocitest.LayerGzip, ocitest.File{Name: "release-manifests/0000_90_keys.yaml", Body: body})
		must(t, err)
		text, err := payload.Keys(t.Context(), m.Content, m.Labelled("amd64", true, nil, m.base, top))
		must(t, err)
		if !strings.Contains(string(body), "verifier-public-key-"+want) {
			t.Errorf("%s has no key of %s", dir, want)
		}
		if _, err := signature.ParseKeys(text); err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes of keys, %v", dir, len(text), err)
		}
	}
}
