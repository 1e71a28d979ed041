package sigstore_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

const image = "quay.example.com/team/app"

// keys are of each kind that policies may have.
func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	p256, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, err2 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsa2048, err3 := rsa.GenerateKey(rand.Reader, 2048)
	_, ed, err4 := ed25519.GenerateKey(rand.Reader)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]crypto.Signer{"p256": p256, "p384": p384, "rsa": rsa2048, "ed25519": ed}
}

func public(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// policyJSON is a ClusterImagePolicy; identity is JSON, "" for none.
func policyJSON(keyPEM, rekorPEM []byte, identity string, scopes ...string) []byte {
	rekor := ""
	if rekorPEM != nil {
		rekor = fmt.Sprintf(`,"rekorKeyData":%q`, base64.StdEncoding.EncodeToString(rekorPEM))
	}
	if identity != "" {
		identity = `,"signedIdentity":` + identity
	}
	return fmt.Appendf(nil, `{"apiVersion":"config.openshift.io/v1","kind":"ClusterImagePolicy","metadata":{"name":"openshift"},"spec":{"scopes":["%s"],"policy":{"rootOfTrust":{"policyType":"PublicKey","publicKey":{"keyData":%q%s}}%s}}}`,
		strings.Join(scopes, `","`), base64.StdEncoding.EncodeToString(keyPEM), rekor, identity)
}

// forNodes is what the Machine Config Operator makes of a policy for policy.json.
func forNodes(keyPEM, rekorPEM []byte, identity string, scopes ...string) []byte {
	signed := map[string]any{"type": "matchRepoDigestOrExact"}
	var i struct {
		MatchPolicy     string
		ExactRepository struct{ Repository string }
		RemapIdentity   struct{ Prefix, SignedPrefix string }
	}
	_ = json.Unmarshal([]byte(identity), &i) // "" is the default
	switch i.MatchPolicy {
	case "MatchRepository":
		signed = map[string]any{"type": "matchRepository"}
	case "ExactRepository":
		signed = map[string]any{"type": "exactRepository", "dockerRepository": i.ExactRepository.Repository}
	case "RemapIdentity":
		signed = map[string]any{"type": "remapIdentity", "prefix": i.RemapIdentity.Prefix, "signedPrefix": i.RemapIdentity.SignedPrefix}
	}
	want := map[string]any{"type": "sigstoreSigned", "keyData": keyPEM, "signedIdentity": signed}
	if rekorPEM != nil {
		want["rekorPublicKeyData"] = rekorPEM
	}
	docker := map[string]any{}
	for _, s := range scopes {
		docker[s] = []any{want}
	}
	body, _ := json.Marshal(map[string]any{"default": []any{map[string]any{"type": "insecureAcceptAnything"}}, "transports": map[string]any{"docker": docker}}) // it can be written
	return body
}

// trial is an image with signatures, and a policy.
type trial struct {
	name     string
	identity string
	scopes   []string // none: the repository
	key      string   // of the policy; "": p256
	rekor    bool     // an entry in the transparency log of key p384 is demanded
	sign     func(d digest.Digest) []ocitest.Cosign
	accepted bool
}

// TestAsNodes compares with the library that nodes judge by.
func TestAsNodes(t *testing.T) {
	t.Parallel()
	all := keys(t)
	var pulls []ocitest.Pull
	var ours []error
	list := trials(t, all)
	registry := registrytest.StartOlareg(t)
	dir := t.TempDir()
	write := func(name string, body []byte) string {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for i, tc := range list {
		c := ocitest.New(uint64(700 + i))
		root := c.Image(false, c.Layer(100, ocitest.LayerGzip))
		repo := fmt.Sprintf("place-%d", i)
		push := func(d oci.Descriptor, tag string) {
			if err := ocitest.Push(t.Context(), c, d, "http://"+registry.Host, repo, tag); err != nil {
				t.Fatal(err)
			}
		}
		push(root, "v1")
		signatures := tc.sign(root.Digest)
		if len(signatures) > 0 {
			m, err := c.Cosigned(signatures...)
			if err != nil {
				t.Fatal(err)
			}
			push(m, ocitest.CosignTag(root.Digest))
		}
		key, scopes := all["p256"], tc.scopes
		if tc.key != "" {
			key = all[tc.key]
		}
		if scopes == nil {
			scopes = []string{image}
		}
		var rekor []byte
		if tc.rekor {
			rekor = public(t, all["p384"])
		}
		policy := write(fmt.Sprintf("policy-%d.json", i), forNodes(public(t, key), rekor, tc.identity, scopes...))
		conf := write(fmt.Sprintf("conf-%d", i), fmt.Appendf(nil, "[[registry]]\nprefix=%q\nlocation=%q\n[[registry.mirror]]\nlocation=\"%s/%s\"\ninsecure=true\n", image, image, registry.Host, repo))
		use := write(fmt.Sprintf("d-%d/x.yaml", i), fmt.Appendf(nil, "docker:\n  %s: {use-sigstore-attachments: true}\n  %s/%s: {use-sigstore-attachments: true}\n", image, registry.Host, repo))
		pulled, err := oci.ParseRef(image + "@" + root.Digest.String())
		if err != nil {
			t.Fatal(err)
		}
		pulls = append(pulls, ocitest.Pull{Image: pulled.String(), Policy: policy, RegistriesD: filepath.Dir(use), Registries: conf})
		ours = append(ours, verify(t, policyJSON(public(t, key), rekor, tc.identity, scopes...), pulled, root.Digest, signatures))
	}
	nodes, err := ocitest.Judge(t.Context(), "../../..", pulls)
	if err != nil {
		t.Fatal(err)
	}
	for i, tc := range list {
		if (nodes[i] == ocitest.Accepted) != tc.accepted || (ours[i] == nil) != tc.accepted {
			t.Errorf("%s: accepted: want %t; by nodes: %s; here: %v", tc.name, tc.accepted, nodes[i], ours[i])
		}
	}
}

func verify(t testing.TB, policy []byte, pulled oci.Ref, d digest.Digest, signatures []ocitest.Cosign) error {
	t.Helper()
	p, err := sigstore.Parse(policy)
	if err != nil {
		t.Fatal(err)
	}
	var list []sigstore.Signature
	for _, s := range signatures {
		list = append(list, sigstore.Signature{MediaType: s.MediaType, Annotations: s.Annotations, Payload: s.Payload})
	}
	for _, p := range sigstore.For([]*sigstore.Policy{p}, pulled) {
		if err := p.Verify(pulled, d, list); err != nil {
			return err
		}
	}
	return nil
}

func trials(t testing.TB, all map[string]crypto.Signer) []trial {
	t.Helper()
	by := func(key string, payload []byte, change func(*ocitest.Cosign)) ocitest.Cosign {
		s, err := ocitest.SignCosign(all[key], payload)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&s)
		}
		return s
	}
	ref := func(name string) func(digest.Digest) []ocitest.Cosign {
		return func(d digest.Digest) []ocitest.Cosign {
			return []ocitest.Cosign{by("p256", ocitest.CosignPayload(d, strings.ReplaceAll(name, "DIGEST", d.String())), nil)}
		}
	}
	text := func(format string) func(digest.Digest) []ocitest.Cosign { // of what is signed
		return func(d digest.Digest) []ocitest.Cosign {
			return []ocitest.Cosign{by("p256", []byte(strings.NewReplacer("IMAGE", image+":v1", "DIGEST", d.String()).Replace(format)), nil)}
		}
	}
	changed := func(change func(*ocitest.Cosign)) func(digest.Digest) []ocitest.Cosign {
		return func(d digest.Digest) []ocitest.Cosign {
			return []ocitest.Cosign{by("p256", ocitest.CosignPayload(d, image+":v1"), change)}
		}
	}
	good := ref(image + ":v1")
	logged := func(change func(*entry)) func(digest.Digest) []ocitest.Cosign {
		return changed(func(s *ocitest.Cosign) {
			e := newEntry(t, *s, public(t, all["p256"]))
			if change != nil {
				change(&e)
			}
			s.Annotations["dev.sigstore.cosign/bundle"] = e.signed(t, all["p384"])
		})
	}
	keyed := func(key string) trial {
		return trial{name: "key " + key, key: key, accepted: true, sign: func(d digest.Digest) []ocitest.Cosign {
			return []ocitest.Cosign{by(key, ocitest.CosignPayload(d, image+":v1"), nil)}
		}}
	}
	const annotation = "dev.cosignproject.cosign/signature"
	const critical = `{"type":"cosign container image signature","image":{"docker-manifest-digest":"DIGEST"},"identity":{"docker-reference":"IMAGE"}}`
	return []trial{
		keyed("p256"), keyed("p384"), keyed("rsa"), keyed("ed25519"),
		{name: "none", sign: func(digest.Digest) []ocitest.Cosign { return nil }},
		{name: "another key", key: "rsa", sign: good},
		{name: "another key of the kind", key: "p384", sign: good},
		{name: "another image", sign: func(digest.Digest) []ocitest.Cosign { return good(digest.FromString("x")) }},
		{name: "by digest", sign: ref(image + "@DIGEST"), accepted: true},
		{name: "a bare name", sign: ref(image)},
		{name: "another repository", sign: ref("quay.example.com/team/other:v1")},
		{name: "a name that is none", sign: ref("Not A Name")},
		{name: "no name", sign: ref("")},
		{name: "the repository, a bare name", identity: `{"matchPolicy":"MatchRepository"}`, sign: ref(image), accepted: true},
		{name: "the repository, another tag", identity: `{"matchPolicy":"MatchRepository"}`, sign: ref(image + ":v9"), accepted: true},
		{name: "the repository, another one", identity: `{"matchPolicy":"MatchRepository"}`, sign: ref(image + "s:v1")},
		{name: "one repository", identity: `{"matchPolicy":"ExactRepository","exactRepository":{"repository":"other.example.com/a"}}`, sign: ref("other.example.com/a:v1"), accepted: true},
		{name: "one repository, not this", identity: `{"matchPolicy":"ExactRepository","exactRepository":{"repository":"other.example.com/a"}}`, sign: good},
		{name: "remapped", identity: `{"matchPolicy":"RemapIdentity","remapIdentity":{"prefix":"quay.example.com/team","signedPrefix":"vendor.example.com/x/y"}}`, sign: ref("vendor.example.com/x/y/app:v1"), accepted: true},
		{name: "remapped, the old name", identity: `{"matchPolicy":"RemapIdentity","remapIdentity":{"prefix":"quay.example.com/team","signedPrefix":"vendor.example.com/x/y"}}`, sign: good},
		{name: "remapped, not at a slash", identity: `{"matchPolicy":"RemapIdentity","remapIdentity":{"prefix":"quay.example.com/te","signedPrefix":"vendor.example.com/x"}}`, sign: good, accepted: true},
		{name: "default by name", identity: `{"matchPolicy":"MatchRepoDigestOrExact"}`, sign: good, accepted: true},
		{name: "the second one", accepted: true, sign: func(d digest.Digest) []ocitest.Cosign {
			return append(good(digest.FromString("x")), good(d)...)
		}},
		{name: "another media type", sign: changed(func(s *ocitest.Cosign) { s.MediaType = "application/vnd.dsse.envelope.v1+json" })},
		{name: "no annotation", sign: changed(func(s *ocitest.Cosign) { s.Annotations = map[string]string{"a": "b"} })},
		{name: "as two numbers", accepted: true, sign: changed(func(s *ocitest.Cosign) { s.Annotations[annotation] = twoNumbers(t, s.Annotations[annotation], 32) })},
		{name: "as two long numbers", accepted: true, sign: changed(func(s *ocitest.Cosign) { s.Annotations[annotation] = twoNumbers(t, s.Annotations[annotation], 48) })},
		{name: "log: none", rekor: true, sign: good},
		{name: "log: right", rekor: true, sign: logged(nil), accepted: true},
		{name: "log: not asked for", sign: logged(func(e *entry) { e.Hash = "00" }), accepted: true},
		{name: "log: another hash", rekor: true, sign: logged(func(e *entry) { e.Hash = strings.Repeat("00", 32) })},
		{name: "log: another algorithm", rekor: true, sign: logged(func(e *entry) { e.Algorithm = "sha512" })},
		{name: "log: another signature", rekor: true, sign: logged(func(e *entry) { e.Signature = []byte("x") })},
		{name: "log: another key", rekor: true, sign: logged(func(e *entry) { e.Key = public(t, all["rsa"]) })},
		{name: "log: more than a key", rekor: true, sign: logged(func(e *entry) { e.Key = append(e.Key, "more"...) })},
		{name: "log: another kind", rekor: true, sign: logged(func(e *entry) { e.Kind = "intoto" })},
		{name: "log: another version", rekor: true, sign: logged(func(e *entry) { e.Version = "0.0.2" })},
		{name: "log: changed later", rekor: true, sign: logged(func(e *entry) {
			e.later = func(s string) string { return strings.Replace(s, `"logIndex":7`, `"logIndex":8`, 1) }
		})},
		{name: "log: other order", rekor: true, accepted: true, sign: logged(func(e *entry) {
			e.later = func(s string) string {
				return strings.Replace(s, `"integratedTime":1700000000,`, "", 1)[:1] + `"integratedTime":1700000000, ` + strings.Replace(s, `"integratedTime":1700000000,`, "", 1)[1:]
			}
		})},
		{name: "log: one key more", rekor: true, sign: logged(func(e *entry) { e.later = func(s string) string { return `{"a":1,` + s[1:] } })},
		{name: "no base64", sign: changed(func(s *ocitest.Cosign) { s.Annotations[annotation] += "!" })},
		{name: "empty signature", sign: changed(func(s *ocitest.Cosign) { s.Annotations[annotation] = "" })},
		{name: "changed later", sign: changed(func(s *ocitest.Cosign) { s.Payload = append(s.Payload, ' ') })},
		{name: "optional values", sign: text(`{"critical":` + critical + `,"optional":{"creator":"me","timestamp":17,"build":{"n":[1]}}}`), accepted: true},
		{name: "part of a second", sign: text(`{"critical":` + critical + `,"optional":{"timestamp":1.5}}`)},
		{name: "creator is a number", sign: text(`{"critical":` + critical + `,"optional":{"creator":1}}`)},
		{name: "optional twice", sign: text(`{"critical":` + critical + `,"optional":{"a":1,"a":2}}`)},
		{name: "no optional", sign: text(`{"critical":` + critical + `}`)},
		{name: "something else", sign: text(`{"critical":` + critical + `,"optional":null,"more":1}`)},
		{name: "critical twice", sign: text(`{"critical":` + critical + `,"critical":` + critical + `,"optional":null}`)},
		{name: "another type", sign: text(`{"critical":` + strings.Replace(critical, "cosign container", "atomic container", 1) + `,"optional":null}`)},
		{name: "two in one", sign: text(`{"critical":` + critical + `,"optional":null}{}`)},
		{name: "a list", sign: text(`[{"critical":` + critical + `,"optional":null}]`)},
		{name: "white space", sign: text(" {\n\"optional\": null, \"critical\":" + critical + "}\n"), accepted: true},
		{name: "scope: host", scopes: []string{"quay.example.com"}, sign: ref("a.b/c:d")},
		{name: "scope: namespace", scopes: []string{"quay.example.com/team"}, sign: ref("a.b/c:d")},
		{name: "scope: part of a name", scopes: []string{"quay.example.com/te"}, sign: ref("a.b/c:d"), accepted: true},
		{name: "scope: subdomains", scopes: []string{"*.example.com"}, sign: ref("a.b/c:d")},
		{name: "scope: this domain", scopes: []string{"*.quay.example.com"}, sign: ref("a.b/c:d"), accepted: true},
		{name: "scope: top", scopes: []string{"*.com"}, sign: ref("a.b/c:d")},
		{name: "scope: another tag", scopes: []string{image + ":v1"}, sign: ref("a.b/c:d"), accepted: true},
	}
}
