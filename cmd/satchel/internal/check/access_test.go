package check_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// removedAccess takes away what nodes reach the mirror by: then they get no image.
func (w *world) removedAccess() (n int) {
	w.t.Helper()
	secret := func(text string) *manifests.PullSecret {
		s, err := manifests.ParsePresentPullSecret("secret.json", []byte(text))
		if err != nil {
			w.t.Fatal(err)
		}
		return s
	}
	other, err := os.ReadFile(registrytest.NewAuthority(w.t).File)
	if err != nil {
		w.t.Fatal(err)
	}
	for what, c := range map[string]struct {
		edit func(h *manifests.Handover)
		want check.Kind
	}{
		"credential": {func(h *manifests.Handover) { h.Secret = nil }, check.Credential},
		"its password": {func(h *manifests.Handover) {
			h.Secret = secret(fmt.Sprintf(`{"auths":{%q:{"auth":"bm9kZTp3cm9uZw=="}}}`, w.mirror.Host))
		}, check.Credential},
		"one for a source only": {func(h *manifests.Handover) {
			h.Secret = secret(fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, w.Proxy.Host, base64.StdEncoding.EncodeToString([]byte(user+":"+password))))
		}, check.Credential},
		"authorities":         {func(h *manifests.Handover) { clear(h.Authorities) }, check.Certificate},
		"the right authority": {func(h *manifests.Handover) { h.Authorities[w.mirror.Host] = string(other) }, check.Certificate},
	} {
		o := w.options()
		c.edit(o.Handover)
		r, err := w.run(o)
		if fails := (*check.FailsError)(nil); !errors.As(err, &fails) {
			w.t.Errorf("without %s: %v", what, err)
			continue
		}
		for _, img := range r.Images {
			if img.Place != "" {
				w.t.Errorf("without %s nodes get %s", what, img.Image)
			}
			for _, f := range img.Findings() {
				if f.Kind != c.want && f.Kind != check.ByTag || f.Rule == "" && strings.HasPrefix(f.Image, w.Proxy.Host) {
					w.t.Errorf("without %s: %s by %q: %s: %s", what, f.Image, f.Rule, f.Kind, f.Wrong)
				}
			}
		}
		n++
	}
	return n
}

// policy demands the signatures of the world's key.
func (w *world) policy(kind, namespace string) json.RawMessage {
	w.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(w.key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	list, err := manifests.ParseSignaturePolicies("policy.yaml", []byte(fmt.Sprintf(`apiVersion: config.openshift.io/v1
kind: %s
metadata:
  name: vendor%s
spec:
  scopes: [%s/vendor]
  policy:
    rootOfTrust:
      policyType: PublicKey
      publicKey:
        keyData: %s
    signedIdentity:
      matchPolicy: MatchRepoDigestOrExact
`, kind, namespace, w.Proxy.Host, base64.StdEncoding.EncodeToString(key))))
	if err != nil {
		w.t.Fatal(err)
	}
	return list[0]
}

// removedSignatures takes the tag of each signature away that a policy demands.
func (w *world) removedSignatures() (n int) {
	w.t.Helper()
	o := w.options()
	o.Depth, o.Policies = check.Configs, []json.RawMessage{w.policy("ClusterImagePolicy", "")}
	intact, err := w.run(o)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []removal
	for _, img := range intact.Images {
		if !strings.HasPrefix(img.Rule, w.Proxy.Host+"/vendor/") || img.Place == "" || strings.Contains(strings.Join(img.Why, " "), "attached") {
			continue
		}
		pulled := w.children(img.Place, img.Digest)
		if len(pulled) == 0 {
			pulled = append(pulled, img.Digest)
		}
		for _, d := range pulled {
			all = append(all, removal{what: "signature of " + d.String(), image: img.Image, rule: img.Rule, of: d, root: img.Digest, kinds: []check.Kind{check.Unsigned},
				paths: []string{filepath.Join(w.repoDir(img.Place), "_manifests/tags", ocitest.CosignTag(d))}})
		}
	}
	for some := range slices.Chunk(all, 2) {
		r, err := w.without(o, some)
		if fails := (*check.FailsError)(nil); !errors.As(err, &fails) {
			w.t.Errorf("without a signature: %v", err)
			continue
		}
		for _, one := range some {
			if !slices.ContainsFunc(r.Findings, func(f check.Finding) bool { return one.signs(f) }) {
				w.t.Errorf("without the %s nothing is found of %s", one.what, one.image)
			}
		}
		for _, f := range r.Findings {
			if f.Kind != check.ByTag && !slices.ContainsFunc(some, func(one removal) bool { return one.signs(f) }) {
				w.t.Errorf("found, and its signature is there: %s: %s", f.Image, f.Wrong)
			}
		}
		n += len(some)
	}
	return n
}

// signs reports whether a finding is that a signature is away.
func (r removal) signs(f check.Finding) bool {
	return f.Kind == check.Unsigned && f.Fails && f.Image == r.image && f.Rule == r.rule && strings.Contains(f.Wrong, ocitest.CosignTag(r.of))
}
