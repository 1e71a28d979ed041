package audit

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/pullsecret"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
)

// secretOf writes a pull secret from NAME=USER:PASSWORD; =token is a token, and nothing no credential.
func secretOf(t *testing.T, entries ...string) *pullsecret.Secret {
	t.Helper()
	var list []string
	for _, e := range entries {
		name, login, has := strings.Cut(e, "=")
		body := "{}"
		switch {
		case login == "token":
			body = `{"identitytoken":"t"}`
		case has:
			body = fmt.Sprintf(`{"auth":%q}`, base64.StdEncoding.EncodeToString([]byte(login)))
		}
		list = append(list, fmt.Sprintf("%q:%s", name, body))
	}
	s, err := pullsecret.ParsePresent([]byte(`{"auths":{` + strings.Join(list, ",") + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCompareSecret: what of a node's pull secret keeps it from the mirror, and no secret of it.
func TestCompareSecret(t *testing.T) {
	t.Parallel()
	const repo = mirrorHost + "/ocp/release"
	want := secretOf(t, mirrorHost+"=node:secret-1")
	for name, tc := range map[string]struct {
		node *pullsecret.Secret
		want *pullsecret.Secret
		says []string
	}{
		"the same":           {secretOf(t, "quay.io=q:q", mirrorHost+"=node:secret-1"), want, nil},
		"missing":            {secretOf(t, "quay.io=q:q"), want, []string{"!" + mirrorHost + ": the node has no entry for it, and so logs in there as nobody"}},
		"another user":       {secretOf(t, mirrorHost+"=push:secret-2"), want, []string{"!" + mirrorHost + ": the node logs in as push, and is to log in as node"}},
		"another password":   {secretOf(t, mirrorHost+"=node:secret-2"), want, []string{"!" + mirrorHost + ": the node logs in as node with another password than the one that it is to use"}},
		"a token":            {secretOf(t, mirrorHost+"=token"), want, []string{"!" + mirrorHost + ": the node has a token for it, and is to log in as node"}},
		"no credential":      {secretOf(t, mirrorHost), want, []string{"!" + mirrorHost + ": the node has an entry without a credential for it"}},
		"a narrower entry":   {secretOf(t, mirrorHost+"=node:secret-1", mirrorHost+"/ocp=old:secret-3"), want, []string{"!" + mirrorHost + "/ocp: this more precise entry is used in place of the mirror's for " + repo}},
		"one of elsewhere":   {secretOf(t, mirrorHost+"=node:secret-1", mirrorHost+"/apps=old:secret-3"), want, nil},
		"one with the same":  {secretOf(t, mirrorHost+"=node:secret-1", mirrorHost+"/ocp=node:secret-1"), want, nil},
		"nothing is known":   {secretOf(t, "quay.io=q:q"), nil, []string{mirrorHost + ": the node has no credential for it: it asks without"}},
		"known, and it logs": {secretOf(t, mirrorHost+"=any:secret-4"), nil, nil},
	} {
		var got []string
		for _, d := range CompareSecret(tc.node, tc.want, []string{repo}) {
			line := d.Entry + ": " + d.Wrong
			if d.Fails {
				line = "!" + line
			}
			got = append(got, line)
		}
		if !slices.Equal(got, tc.says) || strings.Contains(strings.Join(got, ""), "secret-") {
			t.Errorf("%s: got %q, want %q", name, got, tc.says)
		}
	}
}

// TestKubelet: the kubelet's own settings are told from its pull secret.
func TestKubelet(t *testing.T) {
	t.Parallel()
	k, ok := ParseKubelet([]byte("kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nimageMaximumGCAge: 48h\nimageGCHighThresholdPercent: 85\nimagePullCredentialsVerificationPolicy: AlwaysVerify\n"))
	if says := k.Says(); !ok || len(says) != 3 || !strings.Contains(says[0], "48h") {
		t.Errorf("%v, %q", ok, says)
	}
	for _, other := range []string{`{"auths":{}}`, "kind: Pod", "\x00", ""} {
		if _, ok := ParseKubelet([]byte(other)); ok {
			t.Errorf("%q is one", other)
		}
	}
	if k, ok := ParseKubelet([]byte(`{"kind":"KubeletConfiguration","imageMaximumGCAge":"0s"}`)); !ok || len(k.Says()) != 0 {
		t.Errorf("%v, %q", ok, k.Says())
	}
}

const imageConfig = "{apiVersion: config.openshift.io/v1, kind: Image, metadata: {name: cluster}, spec: {%s}}"

// TestSurroundings: the cluster's own settings that keep nodes from the mirror, or that change nodes.
func TestSurroundings(t *testing.T) {
	t.Parallel()
	object := func(kind rules.Kind, name string, never bool, sources ...string) rules.Object {
		o := rules.Object{Kind: kind, Name: name}
		for _, s := range sources {
			_, path, _ := strings.Cut(s, "/")
			o.Rules = append(o.Rules, rules.Rule{Source: s, Mirrors: []string{mirrorHost + "/" + path}})
			if never {
				o.Never = append(o.Never, s)
			}
		}
		return o
	}
	idms := object(rules.DigestMirrors, "a", false, "q.io/shop/a")
	proxy := func(no string) string {
		return "{apiVersion: config.openshift.io/v1, kind: Proxy, metadata: {name: cluster}, status: {httpsProxy: 'http://proxy.example:3128', noProxy: '" + no + "'}}"
	}
	ca := "{apiVersion: v1, kind: ConfigMap, metadata: {name: cas, namespace: openshift-config}, data: {m.example..5000: PEM}}"
	plain := Side{Mirrors: []oci.Mirror{{Host: mirrorHost}}, Now: []rules.Object{idms}, After: []rules.Object{idms}, Brought: map[string]bool{mirrorHost: true}}
	change := func(f func(*Side)) Side {
		s := plain
		f(&s)
		return s
	}
	for name, tc := range map[string]struct {
		objects []string
		side    Side
		want    []string // words of each, ! before what fails
	}{
		"nothing":             {[]string{fmt.Sprintf(imageConfig, "")}, plain, nil},
		"through the proxy":   {[]string{proxy(".svc")}, plain, []string{"!noProxy does not have m.example"}},
		"not through it":      {[]string{proxy(".svc,.example")}, plain, nil},
		"blocked":             {[]string{fmt.Sprintf(imageConfig, "registrySources: {blockedRegistries: [m.example]}")}, plain, []string{"!nodes never pull from the mirror"}},
		"the source blocked":  {[]string{fmt.Sprintf(imageConfig, "registrySources: {blockedRegistries: [q.io]}")}, plain, []string{"nodes refuse the images of q.io/shop/a even from the mirror"}},
		"the payload blocked": {[]string{fmt.Sprintf(imageConfig, "registrySources: {blockedRegistries: [q.io]}"), "{apiVersion: config.openshift.io/v1, kind: ClusterVersion, metadata: {name: version}, status: {desired: {version: 4.16.9, image: 'q.io/shop/a@" + hex(1) + "'}, history: [{state: Completed, version: 4.16.9}]}}"}, plain, nil},
		"not allowed":         {[]string{fmt.Sprintf(imageConfig, "registrySources: {allowedRegistries: [q.io]}")}, plain, []string{"!allowedRegistries lacks m.example:5000"}},
		"the source too":      {[]string{fmt.Sprintf(imageConfig, "registrySources: {allowedRegistries: ['m.example:5000']}")}, plain, []string{"allowedRegistries lacks them"}},
		"both lists":          {[]string{fmt.Sprintf(imageConfig, "registrySources: {allowedRegistries: [x.io], blockedRegistries: [m.example]}")}, plain, []string{"apply neither"}},
		"insecure":            {[]string{fmt.Sprintf(imageConfig, "registrySources: {insecureRegistries: ['m.example:5000']}")}, plain, []string{"do not check its certificate"}},
		"plain HTTP":          {[]string{fmt.Sprintf(imageConfig, "")}, change(func(s *Side) { s.PlainHTTP = true }), []string{"!speaks plain HTTP"}},
		"no authority":        {[]string{fmt.Sprintf(imageConfig, "")}, change(func(s *Side) { s.Brought = nil }), []string{"has no authority for m.example:5000"}},
		"the cluster's":       {[]string{fmt.Sprintf(imageConfig, "additionalTrustedCA: {name: cas}"), ca}, change(func(s *Side) { s.Brought = nil }), nil},
		"in binary alone":     {[]string{fmt.Sprintf(imageConfig, "additionalTrustedCA: {name: cas}"), strings.Replace(ca, "data", "binaryData", 1)}, change(func(s *Side) { s.Brought = nil }), nil},
		"it was not read":     {[]string{fmt.Sprintf(imageConfig, "additionalTrustedCA: {name: cas}")}, change(func(s *Side) { s.Brought = nil }), nil},
		"two policies":        {nil, change(func(s *Side) { s.After = []rules.Object{idms, object(rules.DigestMirrors, "b", true, "q.io/shop/a")} }), []string{"!nodes get no change of rules", "nodes may no longer ask it itself"}},
		"a new rule": {nil, change(func(s *Side) {
			s.After = []rules.Object{object(rules.DigestMirrors, "a", false, "q.io/shop/a", "q.io/shop/b")}
		}), nil},
		"a rule for tags": {nil, change(func(s *Side) { s.After = []rules.Object{idms, object(rules.TagMirrors, "t", false, "q.io/shop/b")} }), []string{"applying the files drains every node: of q.io/shop/b"}},
		"built by the cluster": {[]string{"{apiVersion: machineconfiguration.openshift.io/v1, kind: MachineOSConfig, metadata: {name: w}, spec: {machineConfigPool: {name: worker}}}"}, change(func(s *Side) {
			s.After = []rules.Object{object(rules.DigestMirrors, "a", false, "q.io/shop/a", "q.io/shop/b")}
		}), []string{"nodes of worker run images that the cluster builds itself"}},
		"a policy of the site's": {[]string{"{apiVersion: operator.openshift.io/v1, kind: MachineConfiguration, metadata: {name: cluster}, spec: {nodeDisruptionPolicy: {files: [{path: /etc/containers/registries.conf, actions: [{type: None}]}]}}}"}, change(func(s *Side) { s.After = []rules.Object{idms, object(rules.TagMirrors, "t", false, "q.io/shop/b")} }), []string{"which counts instead: None"}},
		"4.6": {[]string{"{apiVersion: config.openshift.io/v1, kind: ClusterVersion, metadata: {name: version}, status: {desired: {version: 4.6.9}, history: [{state: Completed, version: 4.6.9}]}}"}, change(func(s *Side) {
			s.After = []rules.Object{object(rules.DigestMirrors, "a", false, "q.io/shop/a", "q.io/shop/b")}
		}), []string{"drains and reboots every node"}},
		"on one node":         {[]string{"{apiVersion: config.openshift.io/v1, kind: Infrastructure, metadata: {name: cluster}, status: {controlPlaneTopology: SingleReplica}}"}, change(func(s *Side) { s.After = []rules.Object{idms, object(rules.TagMirrors, "t", false, "q.io/shop/b")} }), nil},
		"no mirror is known":  {[]string{proxy(".svc")}, Side{}, nil},
		"image.config is odd": {[]string{fmt.Sprintf(imageConfig, "registrySources: {blockedRegistries: ['x y']}")}, plain, []string{"cannot be read"}},
	} {
		got := Surroundings(readCluster(t, append(tc.objects, "{apiVersion: v1, kind: Namespace, metadata: {name: x}}")...), tc.side)
		ok := len(got) == len(tc.want)
		for i := range min(len(got), len(tc.want)) {
			words, fails := strings.CutPrefix(tc.want[i], "!")
			ok = ok && strings.Contains(got[i].Wrong, words) && got[i].Fails == fails
		}
		if !ok {
			t.Errorf("%s: got %+v, want %q", name, got, tc.want)
		}
	}
}

// TestOutside: what pulls without a node is listed with its image, and nothing else.
func TestOutside(t *testing.T) {
	t.Parallel()
	s := readCluster(t,
		"{apiVersion: image.openshift.io/v1, kind: ImageStream, metadata: {name: i, namespace: shop}, spec: {tags: [{name: a, from: {kind: DockerImage, name: 'q.io/i:a'}, importPolicy: {scheduled: true}}, {name: b, from: {kind: DockerImage, name: 'q.io/i:b'}}]}}",
		"{apiVersion: build.openshift.io/v1, kind: BuildConfig, metadata: {name: b, namespace: shop}, spec: {strategy: {dockerStrategy: {from: {kind: DockerImage, name: 'q.io/base:1'}}}}}",
		"{apiVersion: cdi.kubevirt.io/v1beta1, kind: DataImportCron, metadata: {name: d, namespace: shop}, spec: {template: {spec: {source: {registry: {url: 'docker://q.io/disks/f:40'}}}}}}",
		"{apiVersion: cdi.kubevirt.io/v1beta1, kind: DataVolume, metadata: {name: v, namespace: shop}, spec: {source: {registry: {url: 'docker://q.io/disks/g:40'}}}}",
		podOf("a", "q.io/shop/a:1", ""),
		"{apiVersion: image.openshift.io/v1, kind: ImageStream, metadata: {name: cli, namespace: shop}, status: {tags: [{tag: latest, items: [{dockerImageReference: 'q.io/cli@"+hex(3)+"', image: '"+hex(3)+"'}]}, {tag: built, items: [{dockerImageReference: 'image-registry.openshift-image-registry.svc:5000/shop/cli@"+hex(4)+"', image: '"+hex(4)+"'}]}]}}",
		podOf("b", "image-registry.openshift-image-registry.svc:5000/shop/cli@"+hex(3), ""), podOf("c", "image-registry.openshift-image-registry.svc:5000/shop/cli@"+hex(4), ""))
	var got []string
	for _, e := range Outside(s) {
		got = append(got, e.Kind+" "+e.Namespace+"/"+e.Name+" "+e.Image+": "+e.How)
	}
	want := []string{
		"BuildConfig shop/b q.io/base:1: pulled by the build's pod",
		"DataImportCron shop/d q.io/disks/f:40: pulled again and again by an importer pod",
		"DataVolume shop/v q.io/disks/g:40: pulled by an importer pod",
		"ImageStream shop/cli q.io/cli@" + hex(3) + ": imported by the API server when somebody asks",
		"ImageStream shop/i q.io/i:a: imported again and again by the API server",
		"ImageStream shop/i q.io/i:b: imported by the API server when somebody asks",
		"Deployment shop/b q.io/cli@" + hex(3) + ": pulled through the cluster's own registry, which gets again from outside what it has not stored",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
