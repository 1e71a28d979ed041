package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/graph"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// keyLayer is a layer with the ConfigMap of keys that a payload has.
func keyLayer(t *testing.T, m *asktest.Registry, key, annotation string) oci.Descriptor {
	t.Helper()
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: release-verification\n  annotations:\n    " + annotation + ": \"\"\ndata:\n  store-x: https://example.com\n" +
		"  verifier-public-key-x: |\n    " + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n    ") + "\n"
	d, err := m.Content.Files(ocitest.LayerGzip, ocitest.File{Name: "release-manifests/0000_90_keys.yaml", Body: []byte(text)})
	asktest.NoError(t, err)
	return d
}

// chained are releases 4.0.0 to 4.N.0, each signed by a key of its own, which the one
// before it brings in its ConfigMap. Only the first is of a key that is known.
func chained(t *testing.T, annotation string, n int) (*verification, *asktest.Registry) {
	t.Helper()
	m := asktest.NewRegistry()
	m.Published = map[string][]byte{}
	parts := m.Components("etcd-1")
	cfg := asktest.ReleaseConfig(t, "quay.io/ocp/rel:none")
	cfg.Extra = imageset.Extra{SignatureURL: asktest.TestStore}
	signer, key := asktest.NewTestSigner(t, "key 0")
	first, err := signature.ParseKeys([]byte(key))
	asktest.NoError(t, err)
	var list []chosen
	for i := range n {
		next, nextKey := asktest.NewTestSigner(t, fmt.Sprintf("key %d", i+1))
		version := fmt.Sprintf("4.%d.0", i)
		d, err := m.Payload(version, "amd64", parts, m.Base, keyLayer(t, m, nextKey, annotation))
		asktest.NoError(t, err)
		ref, err := oci.ParseRef(m.At("quay.io/ocp/rel@"+d.Digest.String(), d))
		asktest.NoError(t, err)
		message, err := signer.Sign(ocitest.Claim(d.Digest, "quay.io/ocp/rel:"+version))
		asktest.NoError(t, err)
		m.Published[fmt.Sprintf("%s/sha256=%s/signature-1", asktest.TestStore, d.Digest.Encoded())] = message
		list = append([]chosen{{Node: graph.Node{Version: semver.MustParse(version), Payload: ref}, kind: "ocp", arch: "amd64"}}, list...)
		signer = next
	}
	v := newVerification(cfg, m, list)
	v.keys = first
	return v, m
}

// TestKeyChain has each release of a chain bring the key that signs the next.
func TestKeyChain(t *testing.T) {
	v, _ := chained(t, "release.openshift.io/verification-config-map", 3)
	asktest.NoError(t, v.readAll(t.Context()))
	for i := range v.list {
		asktest.NoError(t, v.errs[i])
		if got, want := v.read[i].Signatures[0].By, fmt.Sprintf("key %d, key ", 2-i); !strings.HasPrefix(got, want) {
			t.Errorf("release %d is signed by %q", i, got)
		}
	}
}

// TestKeyChainEnds has keys that do not count: of a ConfigMap that is another one, and
// beside a key that the user gave.
func TestKeyChainEnds(t *testing.T) {
	refused := func(v *verification, want int) {
		t.Helper()
		asktest.NoError(t, v.readAll(t.Context()))
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
	_, v.c.Extra.SignatureKeys = asktest.NewTestSigner(t, "given")
	refused(v, 2)
	v, m := chained(t, "release.openshift.io/verification-config-map", 3)
	middle := v.list[1].Payload.Digest
	m.Published[fmt.Sprintf("%s/sha256=%s/signature-1", asktest.TestStore, middle.Encoded())] = []byte("none")
	asktest.NoError(t, v.readAll(t.Context()))
	if v.errs[2] != nil || unsigned(v.errs[1]) == nil || unsigned(v.errs[0]) == nil {
		t.Errorf("a chain with a missing link: %v", v.errs)
	}
}

// unreadKeys is an [ask.Images] that has lost the keys of releases.
type unreadKeys struct{ *asktest.Registry }

func (u unreadKeys) Derived(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error) {
	if strings.HasPrefix(key, formatKeys) {
		return nil, errors.New("connection reset")
	}
	return u.Registry.Derived(ctx, key, fill)
}

// TestKeyChainUnread continues without the keys of a good release: those that wait for
// them report that they are not verified.
func TestKeyChainUnread(t *testing.T) {
	v, m := chained(t, "release.openshift.io/verification-config-map", 3)
	v.from = unreadKeys{m}
	asktest.NoError(t, v.readAll(t.Context()))
	if v.errs[2] != nil || unsigned(v.errs[1]) == nil || unsigned(v.errs[0]) == nil {
		t.Errorf("got %v", v.errs)
	}
	if fail := unsigned(v.errs[0]); fail == nil || fail.Hint() != hintAway {
		t.Errorf("the hint of what waited is %+v", fail)
	}
	want := fmt.Sprintf("the keys that release %s brings are not read: connection reset", v.list[2].Payload)
	if n := strings.Count(strings.Join(m.Notes, "\n"), want); n != 1 {
		t.Errorf("notes %q", m.Notes)
	}
}

// TestRealKeys reads the ConfigMaps that releases have.
func TestRealKeys(t *testing.T) {
	for dir, want := range map[string]string{"manifests": "ci", "manifests.rhel": "redhat"} {
		m := asktest.NewRegistry()
		body := asktest.RealFile(t, "cluster-update-keys/"+dir+"/0000_90_cluster-update-keys_configmap.yaml")
		top, err := m.Content.Files(ocitest.LayerGzip, ocitest.File{Name: "release-manifests/0000_90_keys.yaml", Body: body})
		asktest.NoError(t, err)
		text, err := payload.Keys(t.Context(), m.Content, m.Labelled("amd64", true, nil, m.Base, top))
		asktest.NoError(t, err)
		if !strings.Contains(string(body), "verifier-public-key-"+want) {
			t.Errorf("%s has no key of %s", dir, want)
		}
		if _, err := signature.ParseKeys(text); err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes of keys, %v", dir, len(text), err)
		}
	}
}
