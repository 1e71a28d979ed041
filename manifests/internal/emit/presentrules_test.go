package emit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

const icspDoc = "apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: %s}\nspec: {repositoryDigestMirrors: [{source: q.example/a, mirrors: [m.example/a]}]}\n"

func TestParsePresentRules(t *testing.T) {
	t.Parallel()
	one, two := fmt.Sprintf(icspDoc, "release-0"), fmt.Sprintf(icspDoc, "corp")
	asJSON, err := yaml.YAMLToJSON([]byte(one))
	must(t, err)
	for name, c := range map[string]struct{ in, want string }{
		"one object":           {one, "release-0 oc-mirror release"},
		"JSON":                 {string(asJSON), "release-0 oc-mirror release"},
		"two documents":        {"---\n" + one + "---\n" + two + "---\n", "release-0 oc-mirror release, corp  generic"},
		"an empty list":        {"apiVersion: v1\nkind: List\nitems: []\n", ""},
		"a list of one kind":   {"apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicyList\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(two), "\n", "\n  "), "corp  generic"},
		"a list and an object": {"kind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(two), "\n", "\n  ") + "\n---\n" + one, "corp  generic, release-0 oc-mirror release"},
		"the installer's":      {fmt.Sprintf(icspDoc, "image-policy-1"), "image-policy-1 openshift-install generic"},
		"oc adm release":       {fmt.Sprintf(icspDoc, "example"), "example oc generic"},
		"oc adm catalog":       {strings.Replace(one, "{name: release-0}", "{name: index-0, labels: {operators.openshift.org/catalog: 'true'}}", 1), "index-0 oc operator"},
		"by its annotation":    {strings.Replace(one, "{name: release-0}", "{name: idms-x, annotations: {createdBy: oc-mirror v2}}", 1), "idms-x oc-mirror generic"},
		"satchel's":            {fmt.Sprintf(icspDoc, "satchel-operator-2"), "satchel-operator-2 satchel operator"},
		"satchel's, earlier":   {fmt.Sprintf(icspDoc, "satchel-operator-0123456789ab"), "satchel-operator-0123456789ab satchel operator"},
		"somebody's":           {fmt.Sprintf(icspDoc, "satchel-of-mine"), "satchel-of-mine  generic"},
	} {
		got, err := site.ParsePresentRules("f", []byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var list []string
		for _, o := range got.Objects {
			list = append(list, fmt.Sprintf("%s %s %s", o.Name, o.Tool, o.Group))
			if len(o.Rules) != 1 || o.Rules[0].Source != "q.example/a" || !slices.Equal(o.Rules[0].Mirrors, []string{"m.example/a"}) {
				t.Errorf("%s: rules %v", name, o.Rules)
			}
		}
		if s := strings.Join(list, ", "); s != c.want {
			t.Errorf("%s: %q, want %q", name, s, c.want)
		}
	}
	const secret = "do-not-print"
	for name, c := range map[string]struct{ in, want string }{
		"nothing":          {"", "f:1:1: the file is empty"},
		"only a separator": {"---\n", "f:1:1: the file is empty"},
		"a pull secret":    {`{"auths": {"` + secret + `": {}}}`, "this is neither"},
		"no YAML":          {secret + ": [", "no objects in YAML"},
		"text":             {secret, "f:1:1: these are no objects"},
		"another kind":     {"kind: List\nitems:\n- {kind: Secret, metadata: {name: " + secret + "}}\n", "f:3:10: this is neither"},
		"another type":     {strings.Replace(one, "[m.example/a]", secret, 1), "f:4:65: this field has another type"},
		"another group":    {strings.Replace(one, "operator.openshift.io", "x", 1), "f:1:13: apiVersion"},
		"a bad name":       {fmt.Sprintf(icspDoc, "A/"+secret), "f:3:18: metadata.name"},
		"a bad source":     {strings.Replace(one, "q.example/a", "'`"+secret+"'", 1), "spec.repositoryDigestMirrors[0].source is neither"},
		"a bad mirror":     {strings.Replace(one, "m.example/a", "https://"+secret, 1), "spec.repositoryDigestMirrors[0].mirrors[0] is not"},
		"twice":            {one + "---\n" + one, "release-0 twice"},
		"too large":        {strings.Repeat("# ", 5<<20), "at most 8388608"},
	} {
		_, err := site.ParsePresentRules("f", []byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestGrowsSplit: a set that is split over objects stays so, object by object, and none gets too large.
func TestGrowsSplit(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "mirror.example:5000/namespace", Images: manyImages(3600), PresentRules: "kind: List\nitems: []\n"}
	first := unchecked(t, in)
	in.PresentRules = presentOf(first)
	in.Images = manyImages(4100)[300:]
	for i := range in.Images {
		if i%5 == 0 {
			in.Images[i].Path = fmt.Sprint("moved/", i) // a second mirror of the source
		}
	}
	second := unchecked(t, in)
	where := func(files []handover.File) map[string]string {
		list := map[string]string{}
		for _, p := range policies(t, files) {
			for _, r := range p.Spec.RepositoryDigestMirrors {
				for _, m := range r.Mirrors {
					list[r.Source+" "+m] = p.Metadata.Name
				}
			}
		}
		return list
	}
	before, after := where(first), where(second)
	for pair, object := range before {
		if after[pair] != object {
			t.Fatalf("%s was in %s and is in %q", pair, object, after[pair])
		}
	}
	if len(after) < len(before)+500+600 {
		t.Errorf("%d pairs, then %d", len(before), len(after))
	}
	for _, f := range second {
		if asJSON, err := yaml.YAMLToJSON(f.Body); strings.HasPrefix(f.Name, "icsp-") && (err != nil || len(asJSON) > rules.MaxBytes || len(f.Body) > rules.MaxBytes) {
			t.Errorf("%s has %d bytes: %v", f.Name, len(f.Body), err)
		}
	}
	in.PresentRules = presentOf(second)
	third := unchecked(t, in)
	if apply := string(fileOf(t, third, handover.FileApply).Body); !strings.Contains(apply, "Nothing to do: the rules") || strings.Contains(apply, ": grows by") {
		t.Error("rendered again after it was applied, something still grows")
	}
}

// unchecked emits without comparing schemas, which takes long for many rules.
func unchecked(t *testing.T, in emitInput) []handover.File {
	t.Helper()
	inv, given := in.parse(t)
	files, _, err := Emit(inv, given)
	must(t, err)
	return files
}

// presentOf is what oc prints once the rules were applied.
func presentOf(files []handover.File) string {
	var docs []string
	for _, f := range files {
		if strings.HasPrefix(f.Name, "icsp-") {
			docs = append(docs, string(f.Body))
		}
	}
	return strings.Join(docs, "---\n")
}

// TestEarlierRules: by what earlier bundles brought, objects get the names and the places that
// they had when each was applied.
func TestEarlierRules(t *testing.T) {
	t.Parallel()
	weeks := [][]emitImage{manyImages(3400), manyImages(3600)[3400:], {{Origin: origin.Additional, Source: "registry.example/a/new:1"}}}
	in := emitInput{Mirror: "mirror.example:5000/namespace", PresentRules: "kind: List\nitems: []\n"}
	var applied []handover.File
	earlier := [][]site.SourcePlace{} // known, and empty
	for i, week := range weeks {
		in.Images = week
		inv, given := in.parse(t)
		applied = unchecked(t, in)
		in.PresentRules = presentOf(applied)
		given.PresentRules, given.Earlier = nil, earlier
		files, _, err := Emit(inv, given)
		must(t, err)
		if presentOf(files) != presentOf(applied) {
			t.Fatalf("week %d: other rules from receipts than from the cluster", i)
		}
		var places []site.SourcePlace
		for _, img := range inv.Images {
			places = append(places, site.SourcePlace{Source: img.Source.Name(), Place: given.Mirror.Repo(img).Name(), Origins: []oci.Origin{img.Origin}})
		}
		earlier = append(earlier, places)
	}
}
