package emit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

func emit(t *testing.T, in emitInput) ([]handover.File, []string) {
	t.Helper()
	inv, given := in.parse(t)
	files, notes, err := Emit(inv, given)
	must(t, err)
	checkObjects(t, files)
	return files, notes
}

func fileOf(t *testing.T, files []handover.File, name string) handover.File {
	t.Helper()
	for _, f := range files {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("%s was not written", name)
	return handover.File{}
}

// policy is an ImageContentSourcePolicy.
type policy struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		RepositoryDigestMirrors []struct {
			Source  string   `json:"source"`
			Mirrors []string `json:"mirrors"`
		} `json:"repositoryDigestMirrors"`
	} `json:"spec"`
}

// policies reads the ImageContentSourcePolicies back. What nodes make of them is
// tested by manifests/nodetest.
func policies(t *testing.T, files []handover.File) (list []policy) {
	t.Helper()
	for _, f := range files {
		if strings.HasPrefix(f.Name, "icsp-") {
			var p policy
			must(t, yaml.Unmarshal(f.Body, &p))
			list = append(list, p)
		}
	}
	return list
}

// TestEmitPayload takes the components of real payloads.
func TestEmitPayload(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]int{"ocp-4.12.0-x86_64/image-references": 183, "ocp-4.10/image-references": 146} {
		var stream struct {
			Spec struct {
				Tags []struct {
					Name string `json:"name"`
					From struct {
						Name string `json:"name"`
					} `json:"from"`
				} `json:"tags"`
			} `json:"spec"`
		}
		must(t, json.Unmarshal(sharedFile(t, "release/"+name), &stream))
		in := emitInput{Mirror: "mirror.example:5000/ocp", Images: []emitImage{
			{Origin: origin.Release, Source: "quay.io/openshift-release-dev/ocp-release:4.x-x86_64", Path: origin.PathPayload, Tags: []string{"4.x-x86_64"}},
		}}
		for _, tag := range stream.Spec.Tags {
			in.Images = append(in.Images, emitImage{Origin: origin.Release, Source: tag.From.Name, Path: "openshift/release", Tags: []string{"4.x-x86_64-" + tag.Name}})
		}
		if len(in.Images) != count+1 {
			t.Fatalf("%s has %d components", name, len(in.Images)-1)
		}
		files, _ := emit(t, in)
		for _, f := range files {
			if strings.HasPrefix(f.Name, "icsp-") && f.Name != "icsp-release.yaml" {
				t.Errorf("%s has rules of a release", f.Name)
			}
		}
	}
}

// manyImages makes a set whose rules do not fit into one object.
func manyImages(n int) []emitImage {
	var list []emitImage
	for i := range n {
		origin := []oci.Origin{origin.Operator, origin.Additional}[i%2]
		list = append(list, emitImage{Origin: origin, Source: fmt.Sprintf("registry.example/%s/image-%05d:v1", strings.Repeat("p", i%90+1), i)})
	}
	return list
}

func TestEmitSplits(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "mirror.example:5000/namespace", Images: manyImages(5000)}
	files, _ := emit(t, in)
	count, sources, names := 0, map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if !strings.HasPrefix(f.Name, "icsp-") {
			continue
		}
		asJSON, err := yaml.YAMLToJSON(f.Body)
		must(t, err)
		if len(f.Body) > rules.MaxBytes || len(asJSON) > rules.MaxBytes {
			t.Errorf("%s has %d bytes, %d in JSON", f.Name, len(f.Body), len(asJSON))
		}
		count++
	}
	for _, p := range policies(t, files) {
		if names[p.Metadata.Name] {
			t.Errorf("%s is there twice", p.Metadata.Name)
		}
		names[p.Metadata.Name] = true
		for _, r := range p.Spec.RepositoryDigestMirrors {
			sources[r.Source] = true
		}
	}
	if count < 4 || len(sources) != 5000 {
		t.Errorf("%d objects for %d sources", count, len(sources))
	}
	if _, err := yaml.YAMLToJSON(fileOf(t, files, "icsp-operator-2.yaml").Body); err != nil {
		t.Error(err)
	}
}

// TestEmitAgain: the order of the input does not matter, nor that another's rules change.
func TestEmitAgain(t *testing.T) {
	t.Parallel()
	in := emitInput{
		Mirror: "mirror.example", Username: "fake", Password: "fake", PushOnNodes: true, PullSecret: `{"auths":{"q":{"auth":"ZmFrZTpmYWtl"}}}`,
		Images: append(manyImages(300),
			emitImage{Origin: origin.Catalog, Source: "a.example/x/catalog:v1"}, emitImage{Origin: origin.Catalog, Source: "b.example/catalog:v2"}),
		Gaps: []emitImage{{Origin: origin.Operator, Source: "a.example/x:1", Error: "b"}, {Origin: origin.Operator, Source: "a.example/x:1", Error: "a"}},
	}
	files, notes := emit(t, in)
	want := emitted(files, notes, nil)
	for seed := range uint64(5) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		rnd.Shuffle(len(in.Images), func(i, j int) { in.Images[i], in.Images[j] = in.Images[j], in.Images[i] })
		slices.Reverse(in.Gaps)
		files, notes := emit(t, in)
		if got := emitted(files, notes, nil); !bytes.Equal(got, want) {
			t.Fatalf("another order, another output: %s", firstDifference(want, got))
		}
	}
	names := func() (list []string) {
		files, _ := emit(t, in)
		for _, p := range policies(t, files) {
			list = append(list, p.Metadata.Name)
		}
		return list
	}
	before := names()
	in.Images = append(in.Images, emitImage{Origin: origin.Additional, Source: "new.example/x:1"})
	after := names()
	if before[0] == after[0] || before[1] != after[1] {
		t.Errorf("a new generic rule: %v, then %v", before, after)
	}
}

// TestEmitRefuses: what is wrong with the site, and what the hint says.
func TestEmitRefuses(t *testing.T) {
	t.Parallel()
	image := func(spec string) string {
		return "apiVersion: config.openshift.io/v1\nkind: Image\nspec: " + spec + "\n"
	}
	tool := []emitImage{{Origin: origin.Additional, Source: "registry.example/team/tool:1"}}
	two := []emitImage{{Origin: origin.Catalog, Source: "a.example/x/catalog:v1"}, {Origin: origin.Catalog, Source: "b.example/catalog:v1"}}
	for name, c := range map[string]struct {
		in        emitInput
		msg, hint string
	}{
		"mirror blocked":        {emitInput{PresentImage: image("{registrySources: {blockedRegistries: [m.example]}}")}, "never pull from m.example:5000/ns/team/tool", "remove it"},
		"its path blocked":      {emitInput{PresentImage: image("{registrySources: {blockedRegistries: ['m.example:5000/ns']}}")}, "m.example:5000/ns in blockedRegistries", "remove it"},
		"its domain blocked":    {emitInput{PresentImage: image("{registrySources: {blockedRegistries: ['*.example']}}")}, "*.example in blockedRegistries", "remove it"},
		"not allowed":           {emitInput{PresentImage: image("{registrySources: {allowedRegistries: [m.example, registry.example]}}")}, "not among them", "add m.example:5000"},
		"other path allowed":    {emitInput{PresentImage: image("{registrySources: {allowedRegistries: ['m.example:5000/other']}}")}, "not among them", "add m.example:5000"},
		"other configmap":       {emitInput{PresentImage: image("{additionalTrustedCA: {name: b}}"), PresentCA: "kind: ConfigMap\nmetadata: {name: a}\n", CA: testCA(t)}, "ConfigMap b", "oc get configmap b"},
		"no certificate":        {emitInput{CA: "nothing"}, "no certificate", "openssl"},
		"a private key":         {emitInput{CA: testCA(t) + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, "PEM block 2 is not a certificate", "CERTIFICATE"},
		"not a certificate":     {emitInput{CA: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "PEM block 1 is not a certificate", ""},
		"certificate cut off":   {emitInput{CA: testCA(t) + testCA(t)[:100]}, "cut off", ""},
		"unknown catalog":       {emitInput{CatalogNames: map[string]string{"a.example/x:v1": "a"}, Images: two[:1]}, `"a.example/x:v1"`, "a.example/x/catalog:v1"},
		"catalog name":          {emitInput{CatalogNames: map[string]string{"a.example/x/catalog": "A_b"}, Images: two[:1]}, `"A_b"`, ""},
		"catalog name is taken": {emitInput{CatalogNames: map[string]string{"a.example/x/catalog": "same", "b.example/catalog:v1": "same"}, Images: two}, "CatalogSource same", "=NAME"},
		"blocking drains":       {emitInput{PresentImage: image("{registrySources: {blockedRegistries: [m.example]}}")}, "never pull", "drains every node"},
		"allowing, alone":       {emitInput{PresentImage: image("{registrySources: {allowedRegistries: [x.example]}}")}, "not among them", "would drain every node"},
		"name with a digit":     {emitInput{CatalogNames: map[string]string{"a.example/x/catalog": "4-15"}, Images: two[:1]}, `"4-15"`, ""},
		"too many authorities":  {emitInput{CA: strings.Repeat(testCA(t), 500)}, "bytes of certificates", "give only the authority"},
		"user with a colon":     {emitInput{Username: "a:b", Password: "fake", PushOnNodes: true}, "has a colon", "user name"},
		"nothing for nodes":     {emitInput{PushOnNodes: true}, "there is none for m.example:5000", "give the file"},
		"a token for nodes":     {emitInput{Token: true, PushOnNodes: true}, "identity token", "of their own"},
		"nodes have a token":    {emitInput{NodeSecret: `{"auths":{"m.example:5000":{"identitytoken":"t"}}}`}, "m.example:5000 is a token", "has a password"},
		"nodes have another's":  {emitInput{NodeSecret: `{"auths":{"m.example":{"auth":"ZmFrZTpmYWtl"}}}`}, "none for m.example:5000", "may only pull"},
		"pulls from twice":      {emitInput{PullFrom: []string{"lb.example/a", "lb.example/a"}}, "twice", "once"},
	} {
		c.in.Mirror = "m.example:5000/ns"
		if c.in.Images == nil {
			c.in.Images = tool
		}
		inv, given := c.in.parse(t)
		_, _, err := Emit(inv, given)
		var e *site.SiteError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.msg) || !strings.Contains(e.Hint(), c.hint) || e.Field == "" || !e.Permanent() {
			t.Errorf("%s: got %v, want %q", name, err, c.msg)
		} else if c.hint != "" && e.Hint() == "" {
			t.Errorf("%s: no hint", name)
		}
	}
}

func TestEmitNotes(t *testing.T) {
	t.Parallel()
	image := func(spec string) string {
		return "apiVersion: config.openshift.io/v1\nkind: Image\nspec: {registrySources: " + spec + "}\n"
	}
	for name, c := range map[string]struct {
		in   emitInput
		note string
	}{
		"one image blocked":   {emitInput{PresentImage: image("{blockedRegistries: ['registry.example/team/tool:1']}")}, ""},
		"one image allowed":   {emitInput{PresentImage: image("{allowedRegistries: ['m.example:5000', 'registry.example/team/tool:1']}")}, "not among them"},
		"blocked, and drains": {emitInput{PresentImage: image("{blockedRegistries: [registry.example]}")}, "drains every node"},
		"never asked":         {emitInput{Unchecked: true}, "did not check whether m.example:5000 has"},
		"no authorities":      {emitInput{CA: "none"}, "no certificate authority was given"},
		"none, and insecure":  {emitInput{CA: "none", PresentImage: image("{insecureRegistries: ['m.example:5000']}")}, "do not check"},
		"none, and present":   {emitInput{CA: "none", PresentCA: "kind: ConfigMap\nmetadata: {name: a}\ndata: {m.example..5000: x}\n"}, ""},
		"pushes with it":      {emitInput{Username: "u", Password: "p", PushOnNodes: true}, "only pull is safer"},
		"a credential":        {emitInput{Username: "u", Password: "p", PullSecret: `{"auths":{"q":{"auth":"ZmFrZTpmYWtl"}}}`}, "satchel has a credential for m.example:5000, and none for nodes was given"},
		"of nodes":            {emitInput{Username: "u", Password: "p", NodeSecret: `{"auths":{"m.example:5000":{"auth":"ZmFrZTpmYWtl"}}}`}, ""},
		"of one address":      {emitInput{PullFrom: []string{"lb.example", "m.example:5000"}, NodeSecret: `{"auths":{"m.example:5000":{"auth":"ZmFrZTpmYWtl"}}}`}, "none for lb.example: nodes use the one for m.example:5000 there"},
		"the same credential": {emitInput{Username: "fake", Password: "fake", PullSecret: `{"auths":{"m.example:5000":{"auth":"ZmFrZTpmYWtl"}}}`}, ""},
		"another credential":  {emitInput{Username: "u", Password: "p", PullSecret: `{"auths":{"m.example:5000":{"auth":"ZmFrZTpmYWtl"}}}`}, ""},
		"narrower entry":      {emitInput{Username: "u", Password: "p", PushOnNodes: true, PullSecret: `{"auths":{"m.example:5000/team":{"auth":"ZmFrZTpmYWtl"}}}`}, "use those there: m.example:5000/team;"},
		"empty entry":         {emitInput{Unchecked: true, PullSecret: `{"auths":{"q":{"auth":"ZmFrZTpmYWtl"},"m.example:5000":{}}}`}, "without a credential"},
		"token":               {emitInput{Token: true, PullSecret: `{"auths":{"q":{"auth":"ZmFrZTpmYWtl"}}}`}, "need a user name and a password"},
		"token, no secret":    {emitInput{Token: true}, "need a user name and a password"},
		"token, and an entry": {emitInput{Token: true, PullSecret: `{"auths":{"m.example:5000":{"auth":"ZmFrZTpmYWtl"}}}`}, ""},
		"mirror allowed":      {emitInput{PresentImage: image("{allowedRegistries: ['*.example']}")}, ""},
		"source not allowed":  {emitInput{PresentImage: image("{allowedRegistries: ['m.example:5000']}")}, "registry.example/team/tool"},
		"source blocked":      {emitInput{PresentImage: image("{blockedRegistries: [registry.example/team]}")}, "registry.example/team/tool"},
		"another blocked":     {emitInput{PresentImage: image("{blockedRegistries: [registry.example/te, m.example2]}")}, ""},
		"insecure":            {emitInput{PresentImage: image("{insecureRegistries: ['m.example:5000']}")}, "do not check its certificate"},
		"allowed and blocked": {emitInput{PresentImage: image("{allowedRegistries: ['*.example'], blockedRegistries: [x.y]}")}, "apply neither"},
		"expired":             {emitInput{CA: testCA(t), Now: testCANotAfter.AddDate(0, 0, 1)}, "expired on 2120-01-01"},
		"not yet":             {emitInput{CA: testCA(t), Now: testCANotAfter.AddDate(-101, 0, 0)}, "not valid before 2020-01-01"},
		"valid":               {emitInput{CA: testCA(t), Now: testCANotAfter.AddDate(-1, 0, 0)}, ""},
		"leaf":                {emitInput{CA: leafPEM(t)}, "not a certificate authority"},
		"replaced":            {emitInput{CA: testCA(t), PresentCA: "kind: ConfigMap\nmetadata: {name: a}\ndata: {m.example..5000: other}\n"}, "other certificates under m.example..5000"},
		"the same":            {emitInput{CA: testCA(t), PresentCA: "kind: ConfigMap\nmetadata: {name: a}\ndata: {m.example..5000: " + quoted("# ours\n"+testCA(t)) + "}\n"}, ""},
		"none is asked for":   {emitInput{PullSecret: `{"auths":{"q":{"auth":"ZmFrZTpmYWtl"}}}`}, ""},
		"no credential":       {emitInput{Unchecked: true, PullSecret: `{"auths":{"q":{"auth":"ZmFrZTpmYWtl"}}}`}, "without a credential"},
	} {
		c.in.Mirror = "m.example:5000"
		switch c.in.CA {
		case "none":
			c.in.CA = ""
		case "":
			c.in.CA = testCA(t)
		}
		c.in.Images = []emitImage{{Origin: origin.Additional, Source: "registry.example/team/tool@sha256:" + strings.Repeat("a", 64)}}
		_, notes := emit(t, c.in)
		if all := strings.Join(notes, "\n"); c.note == "" && all != "" || !strings.Contains(all, c.note) {
			t.Errorf("%s: got %q, want %q", name, all, c.note)
		}
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// TestEmitPresentCA: whatever else the ConfigMap has stays, and so does its name.
func TestEmitPresentCA(t *testing.T) {
	t.Parallel()
	in := emitInput{
		Mirror: "m.example", CA: testCA(t), Images: manyImages(1),
		PresentCA: "kind: ConfigMap\nmetadata: {name: my.own}\ndata:\n  b..443: x\n  a: \"y\\n\"\nbinaryData:\n  c: AAA=\n",
	}
	files, _ := emit(t, in)
	var cm kube.ConfigMap
	must(t, yaml.UnmarshalStrict(fileOf(t, files, handover.FileCA).Body, &cm))
	if cm.Metadata.Name != "my.own" || cm.Data["b..443"] != "x" || cm.Data["a"] != "y\n" || cm.Data["m.example"] != testCA(t) || cm.BinaryData["c"] != "AAA=" || len(cm.Data) != 3 {
		t.Errorf("%+v", cm)
	}
	if patch := string(fileOf(t, files, handover.FileImagePatch).Body); !strings.Contains(patch, "name: my.own") {
		t.Errorf("the patch is %s", patch)
	}
}

// TestSecretsStayHidden: neither printing nor a public file shows a password.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example", Username: "name-of-user", Password: "pass-of-user", PushOnNodes: true, PullSecret: `{"auths":{"q":{"auth":"dTpub2JvZHlzZWVz"}}}`, Images: manyImages(1)}
	inv, given := in.parse(t)
	shown := fmt.Sprintf("%v %+v %v %+v %s", given, given, *given.Credential, given.PullSecret, given.PullSecret)
	files, notes, err := Emit(inv, given)
	must(t, err)
	for _, f := range files {
		if f.Mode == handover.ModePublic {
			shown += string(f.Body)
		}
	}
	shown += strings.Join(notes, "\n")
	for _, s := range []string{"pass-of-user", "dTpub2JvZHlzZWVz", "nobodysees"} {
		if strings.Contains(shown, s) {
			t.Errorf("%q is shown", s)
		}
	}
}
