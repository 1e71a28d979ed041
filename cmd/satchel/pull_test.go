package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestPullKinds pulls additional images of all kinds that nodes pull, from
// several registries and by tag and digest, by their original names.
func TestPullKinds(t *testing.T) {
	t.Parallel()
	o := newOutside(431)
	kinds := o.content.Kinds()
	for name, kind := range map[string]string{
		"quay.io/team/app:v1":                    "docker",
		"quay.io/team/app/list:v1":               "docker-list",
		"registry.k8s.io/pause:3.9":              "oci",
		"docker.io/library/zstd:latest":          "oci-zstd",
		"ghcr.io/deep/er/still/index:v2":         "index",
		"registry.access.redhat.com:443/many:40": "many",
	} {
		o.publish(t, name, kinds[kind])
		o.publish(t, "quay.io/team/by-digest/"+kind+"@"+kinds[kind].Digest.String(), kinds[kind])
	}
	w := newWorld(t)
	var refs []string
	for name := range o.images {
		refs = append(refs, name)
	}
	w.images(refs...)
	w.packed(t, o)
	mirror, out := registrytest.Start(t), filepath.Join(w.dir, "out")
	w.run(w.unpackSite(mirror.Host+"/ocp", out)...).want(exitOK)
	compareMirrored(t, o.content, mirror.Host, o.everything(t, "ocp"))
	n := newNode(t, mirror.Host, out)
	refs = originals(w.inspected())
	if len(refs) != 12 {
		t.Errorf("%d images are carried", len(refs))
	}
	n.skopeo(t, refs)
	n.podman(t, refs)
	n.unreachable(t, sample(refs, 4)...)

	none := filepath.Join(w.dir, "no-rules.yaml")
	if err := os.WriteFile(none, []byte("kind: List\nitems: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out = filepath.Join(w.dir, "out-idms")
	w.run("render", "-i", w.key, "--tls-verify=false", "--to", mirror.Host+"/ocp", "--output-dir", out, "--present-image-config", filepath.Join(w.dir, "image-config.yaml"),
		"--present-rules", none, "--mirror-api", "idms", "--mirror-source-policy", "never", w.drive).want(exitOK)
	n = newNode(t, mirror.Host, out)
	named := []string{refs[0], "quay.io/team/app:v1", "ghcr.io/deep/er/still/index:v2"}
	n.skopeo(t, named)
	n.podman(t, named[1:])
}

// TestPullSecretAndCA pulls from a mirror that asks for TLS and a credential, with
// what satchel emits: the pull secret, and the authority in the ConfigMap.
func TestPullSecretAndCA(t *testing.T) {
	t.Parallel()
	wants(t, "skopeo")
	o := newOutside(432)
	r := o.smallRelease(t, 3, 10<<10)
	w := newWorld(t)
	w.imageset(releaseConfig(r))
	w.packed(t, o)
	mirror := registrytest.StartV3(t, true, "me", "s3cret-word")
	out := filepath.Join(w.dir, "out")
	login := func(host, user string) (file string) {
		file = filepath.Join(w.dir, user+".json")
		auth := base64.StdEncoding.EncodeToString([]byte(user + ":s3cret-word"))
		if err := os.WriteFile(file, fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}}}`, host, auth), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	present := login("quay.io", "present")
	got := w.run("unpack", "-i", w.key, "--to", mirror.Host+"/ocp", "--ca-file", mirror.CA, "--authfile", login(mirror.Host, "me"),
		"--node-authfile", login(mirror.Host, "me"), "--output-dir", out, w.drive).want(exitOK).says("from " + mirror.Host + "/ocp with their credential")
	if strings.Contains(got.stderr, "s3cret-word") {
		t.Errorf("a password is printed:\n%s", got.stderr)
	}

	dir := t.TempDir()
	rules, certs := filepath.Join(dir, "rules.conf"), filepath.Join(dir, "certs")
	found, err := filepath.Glob(filepath.Join(out, "icsp-*.yaml"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	writeNodeConf(t, rules, "another.example", found)
	writeCA(t, filepath.Join(out, "configmap-registry-ca.yaml"), mirror.Host, certs)
	n := &node{t: t, dir: dir}
	pull := func(authfile, certs string) ([]byte, error) {
		return n.command(rules, "skopeo", "--insecure-policy", "--registries-conf", rules, "copy", "-q", "--authfile", authfile, "--src-cert-dir", certs,
			"docker://"+strings.Split(r.source, ":")[0]+"@"+r.payload.Digest.String(), "dir:"+filepath.Join(dir, "pulled")).CombinedOutput()
	}
	merged := filepath.Join(dir, "merged.json")
	w.run("pull-secret", "--add", filepath.Join(out, "secrets", "mirror.dockerconfigjson"), "--output", merged, present).want(exitOK).prints("added: " + mirror.Host)
	if text, err := pull(merged, certs); err != nil {
		t.Errorf("with the emitted pull secret and authority: %v\n%s", err, text)
	}
	if text, err := pull(present, certs); err == nil || !strings.Contains(string(text), "authentication required") {
		t.Errorf("with the present pull secret alone: %v\n%s", err, text)
	}
	if text, err := pull(merged, t.TempDir()); err == nil || !strings.Contains(string(text), "certificate signed by unknown authority") {
		t.Errorf("without the authority: %v\n%s", err, text)
	}
}

// writeCA does with the ConfigMap what a cluster does with it on its nodes.
func writeCA(t *testing.T, file, host, certs string) {
	t.Helper()
	var m struct {
		Kind string
		Data map[string]string
	}
	if err := yaml.Unmarshal(readFile(t, file), &m); err != nil || m.Kind != "ConfigMap" {
		t.Fatalf("%s is a %q: %v", file, m.Kind, err)
	}
	pem := m.Data[strings.ReplaceAll(host, ":", "..")]
	if pem == "" {
		t.Fatalf("no authority for %s in %s", host, file)
	}
	if err := os.MkdirAll(certs, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(certs, "ca.crt"), []byte(pem), 0o600); err != nil {
		t.Fatal(err)
	}
}
