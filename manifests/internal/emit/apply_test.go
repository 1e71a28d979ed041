package emit

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// commands joins what a page gives to paste.
func commands(t *testing.T, files []handover.File, name string) string {
	t.Helper()
	var b strings.Builder
	for i, part := range strings.Split(string(fileOf(t, files, name).Body), "```\n") {
		if i%2 == 1 {
			b.WriteString(part)
		}
	}
	return b.String()
}

// inOrder reports whether texts stand in a page one after the other.
func inOrder(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		_, after, ok := strings.Cut(page, s)
		if !ok {
			t.Errorf("%q is not there, or not in its place", s)
			return
		}
		page = after
	}
}

// TestEmitWarnsFirst: what can do harm is written before the command that does it.
func TestEmitWarnsFirst(t *testing.T) {
	t.Parallel()
	in := emitInput{
		Mirror: "m.example", NodeSecret: `{"auths":{"m.example":{"auth":"ZmFrZTpmYWtl"}}}`, CA: testCA(t),
		Images: []emitImage{
			{Origin: origin.Release, Source: "quay.io/openshift-release-dev/ocp-release:4.16.3-x86_64", Path: origin.PathPayload, Tags: []string{"4.16.3-x86_64"}},
			{Origin: origin.Catalog, Source: "registry.redhat.io/redhat/redhat-operator-index:v4.16"},
		},
	}
	files, _ := emit(t, in)
	inOrder(t, string(fileOf(t, files, handover.FileApply).Body),
		"[ -s before-operatorhub.yaml ] ||", "[ -s before-icsp.yaml ] ||",
		"change nothing in the cluster yet", "oc extract secret/pull-secret", "satchel pull-secret --add secrets/mirror.dockerconfigjson", "no other name", "oc create secret generic satchel-before", "oc set data",
		"additionalTrustedCA.name", "oc get configmap", "] || oc create -f configmap-registry-ca.yaml", "--patch-file configmap-registry-ca-patch.yaml",
		"oc get imagedigestmirrorset", "older than 4.13.27", "longest source", "may stay", "drain", "oc apply -f icsp-release.yaml -f icsp-operator.yaml",
		"custom-columns", ".spec.sources", "oc patch operatorhub", "managed-by: marketplace-operator", "oc apply -f catalogsource-redhat-operators.yaml",
		"GPG signature", "backup of etcd", "drains and reboots", "oc adm upgrade", "follow CUT.md")
	inOrder(t, string(fileOf(t, files, handover.FileCut).Body), "No operator", "Disconnect the cluster", "change nothing in the cluster yet", "--remove cloud.openshift.com", "oc set data")
	inOrder(t, string(fileOf(t, files, handover.FileRestore).Body),
		"oc delete catalogsource -n openshift-marketplace -l", "data.default-catalogs-off", "oc patch operatorhub",
		"status.desired.image", "grep -F -e m.example/", "data.trusted-ca", "&& oc delete configmap",
		"prints nothing", "--restore secrets/pull-secret-before.json --host m.example --host cloud.openshift.com ", "oc set data", "oc delete secret satchel-before")
}

// TestEmitPresentCAAlone: the ConfigMap is known to have others in it, and stays
// the one that image.config names, now and on the way back.
func TestEmitPresentCAAlone(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example:5000", CA: testCA(t), Images: manyImages(1), PresentCA: "kind: ConfigMap\nmetadata: {name: company}\ndata: {other.example: x}\n"}
	files, _ := emit(t, in)
	apply, restore := commands(t, files, handover.FileApply), commands(t, files, handover.FileRestore)
	if strings.Contains(apply, "oc apply -f "+handover.FileCA) || !strings.Contains(apply, `oc patch configmap "${CA:-company}" -n openshift-config --type=merge --patch-file `+handover.FileCAPatch) {
		t.Errorf("the ConfigMap is not patched by its key alone:\n%s", apply)
	}
	if patch := string(fileOf(t, files, handover.FileCAPatch).Body); strings.Contains(patch, "other.example") {
		t.Errorf("the patch has more than the mirror: %s", patch)
	}
	inOrder(t, restore, handover.ReadBefore("CA", handover.KeyTrustedCA), "for key in m.example..5000 updateservice-registry; do")
}

// TestEmitBinaryCA: a key cannot be in data and in binaryData both.
func TestEmitBinaryCA(t *testing.T) {
	t.Parallel()
	for text, noted := range map[string]bool{"other": true, testCA(t): false} {
		in := emitInput{Mirror: "m.example", CA: testCA(t), Images: manyImages(1),
			PresentCA: "kind: ConfigMap\nmetadata: {name: a}\nbinaryData: {c: AAA=, m.example: " + base64.StdEncoding.EncodeToString([]byte(text)) + "}\n"}
		inv, given := in.parse(t)
		files, notes, err := Emit(inv, given)
		must(t, err)
		var cm kube.ConfigMap
		must(t, yaml.UnmarshalStrict(fileOf(t, files, handover.FileCA).Body, &cm))
		if len(cm.BinaryData) != 1 || cm.BinaryData["c"] != "AAA=" || cm.Data["m.example"] != testCA(t) {
			t.Errorf("%+v", cm)
		}
		if patch := string(fileOf(t, files, handover.FileCAPatch).Body); !strings.Contains(patch, "binaryData:\n  m.example: null\n") {
			t.Errorf("the key stays in binaryData: %s", patch)
		}
		if given.PresentCA.BinaryData["m.example"] == "" {
			t.Error("what the caller gave was changed")
		}
		if got := strings.Contains(strings.Join(notes, "\n"), "other certificates"); got != noted {
			t.Errorf("other certificates noted: %t", got)
		}
	}
}

// TestEmitCatalogNames: Subscriptions follow the highest version of a catalog.
func TestEmitCatalogNames(t *testing.T) {
	t.Parallel()
	const redhat = "registry.redhat.io/redhat/redhat-operator-index:"
	for name, c := range map[string]struct {
		sources, want []string
		names         map[string]string
	}{
		"numbers":            {sources: []string{redhat + "v4.9", redhat + "v4.16"}, want: []string{"redhat-operators-v4-9", "redhat-operators"}},
		"one":                {sources: []string{redhat + "v4.9"}, want: []string{"redhat-operators"}},
		"others too":         {sources: []string{"q.example/c:v2", "q.example/c:v10", "q.example/c:latest"}, want: []string{"c-v2", "c", "c-latest"}},
		"default goes first": {sources: []string{redhat + "v4.9", "q.example/redhat-operators:v5"}, want: []string{"redhat-operators", "redhat-operators-v5"}},
		"two repositories":   {sources: []string{"q.example/c:v2", "r.example/c:v3"}, want: []string{"c-v2", "c-v3"}},
		"by hand":            {sources: []string{redhat + "v4.9", redhat + "v4.16"}, want: []string{"redhat-operators", "redhat-operators-v4-16"}, names: map[string]string{redhat + "v4.9": "redhat-operators"}},
	} {
		in := emitInput{Mirror: "m.example", CatalogNames: c.names}
		for _, s := range c.sources {
			in.Images = append(in.Images, emitImage{Origin: origin.Catalog, Source: s})
		}
		files, notes := emit(t, in)
		for i, want := range c.want {
			var cs kube.CatalogSource
			must(t, yaml.UnmarshalStrict(fileOf(t, files, "catalogsource-"+want+".yaml").Body, &cs))
			if d := in.Images[i].image(t).Root.Digest.String(); !strings.HasSuffix(cs.Spec.Image, d) {
				t.Errorf("%s: %s is not %s", name, want, c.sources[i])
			}
		}
		if all := strings.Join(notes, "\n"); !strings.Contains(all, "no replacement for the default catalogs certified-operators") || strings.Contains(all, "redhat-operators; Sub") == strings.Contains(c.want[0]+c.want[len(c.want)-1], "redhat") {
			t.Errorf("%s: notes %s", name, all)
		}
	}
}

// TestEmitReleases: one command a payload, by version, by the name that every
// cluster knows it by; no word of Sigstore where no policy demands it.
func TestEmitReleases(t *testing.T) {
	t.Parallel()
	const repo = "quay.io/openshift-release-dev/ocp-release"
	payload := func(tag string) emitImage {
		return emitImage{Origin: origin.Release, Source: repo + ":" + tag, Path: origin.PathPayload, Tags: []string{tag}}
	}
	in := emitInput{Mirror: "m.example", Images: []emitImage{payload("4.16.10-x86_64"), payload("4.16.9-x86_64"), payload("4.16.10-rc.2-x86_64")},
		Facts: []emitFacts{{Tag: "4.16.9-x86_64", From: []string{"4.16.1"}}, {Tag: "4.16.10-x86_64", From: []string{"4.16.1", "4.16.9", "4.16.10-rc.2"}}}}
	subject := in.Images[0].image(t).Root.Digest
	in.Images = append(in.Images, emitImage{Origin: origin.Release, Source: repo + ":sha256-" + subject.Encoded() + ".sig", Path: origin.PathPayload, Tags: []string{"sha256-" + subject.Encoded() + ".sig"}, Subject: subject})
	files, notes := emit(t, in)
	var want []string
	for _, i := range []int{1, 0} { // not the release candidate: 4.16.9 leads on without it
		want = append(want, "--to-image "+repo+"@"+in.Images[i].image(t).Root.Digest.String())
	}
	inOrder(t, commands(t, files, handover.FileApply), want...)
	if all := strings.Join(notes, "\n"); strings.Contains(all, "igstore") {
		t.Errorf("notes %s", all)
	}
}

// TestEmitCharts: no node pulls a chart, and no pod names one.
func TestEmitCharts(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example", Images: []emitImage{
		{Origin: origin.Chart, Source: "a.example/charts/app:1"},
		{Origin: origin.Additional, Source: "b.example/app:1", Platforms: []string{"linux/amd64"}},
	}}
	files, _ := emit(t, in)
	page := string(fileOf(t, files, handover.FileApply).Body)
	if strings.Contains(page, "a.example/charts/app:1") || !strings.Contains(page, "`b.example/app:1`: use `m.example/app:") {
		t.Error("the page lists a chart for pods")
	}
	if !strings.Contains(page, "crictl pull b.example/app@"+digest.FromString("b.example/app:1").String()) {
		t.Error("the image to try is not the image")
	}
}

// TestCatalogsAlwaysGetNames has two catalogs with the same last word and tag:
// pack cannot ask for a name, and must not fail after everything was fetched.
func TestCatalogsAlwaysGetNames(t *testing.T) {
	t.Parallel()
	inv := &oci.Inventory{}
	for _, name := range []string{"r.example/one/my-index:v4.12", "r.example/two/my-index:v4.12"} {
		ref, err := oci.ParseRef(name)
		if err != nil {
			t.Fatal(err)
		}
		root := oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte(name)), Size: 5}
		inv.Images = append(inv.Images, oci.Image{Origin: origin.Catalog, Source: ref, Root: root, Tags: []string{"v4.12"}})
	}
	files, _, err := Emit(inv, site.Site{Mirror: oci.Mirror{Host: "mirror.invalid"}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		if strings.HasPrefix(f.Name, "catalogsource-") {
			names = append(names, f.Name)
		}
	}
	if len(names) != 2 || !strings.HasPrefix(names[0], "catalogsource-my-index-v4-12-") {
		t.Errorf("the CatalogSources are %v", names)
	}
}

// TestEmitQuotes: an IPv6 address is a pattern for a shell.
func TestEmitQuotes(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "[fd00::1]:5000/ocp", Username: "u", Password: "p", Images: []emitImage{
		{Origin: origin.Release, Source: "[fd00::2]/rel/payload:4.16.3-x86_64", Path: origin.PathPayload, Tags: []string{"4.16.3-x86_64"}},
		{Origin: origin.Release, Source: "[fd00::2]/rel/part:1", Path: "openshift/release"},
	}}
	files, _ := emit(t, in)
	inOrder(t, commands(t, files, handover.FileApply), "--covers '[fd00::1]:5000/ocp' ", "crictl pull '[fd00::1]:5000/ocp/openshift/release-images@", "crictl pull '[fd00::2]/rel/payload@", "--to-image '[fd00::2]/rel/payload@")
	if got := page.Shell("it's; rm"); got != `'it'\''s; rm'` || page.Shell("a.example:5000/b@sha256:0") != "a.example:5000/b@sha256:0" {
		t.Errorf("quoted: %s", got)
	}
}

// TestEmitEscapes: what a registry answers cannot put a link, an image or HTML into
// the page, nor hide anything in it.
func TestEmitEscapes(t *testing.T) {
	t.Parallel()
	const hostile = "<b>`x` ![y](https://q.example/z) \\<i>\u202e\n# head"
	in := emitInput{Mirror: "m.example", Gaps: []emitImage{{Origin: origin.Additional, Source: "q.example/a:1", Error: hostile}}}
	files, _ := emit(t, in)
	const want = `: \<b>'x' !\[y](https://q.example/z) \\\<i>` + "\ufffd # head\n"
	if page := string(fileOf(t, files, handover.FileApply).Body); !strings.Contains(page, want) {
		t.Errorf("no line has %s:\n%s", want, page)
	}
}
