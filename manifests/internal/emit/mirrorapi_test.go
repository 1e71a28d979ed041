package emit

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
)

func TestMixes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"4.12.50": false, "4.13.0": false, "4.13.26": false, "4.13.27": true, "4.13.50": true, "4.14.0-rc.1": false, "4.14.0": false, "4.14.2": false, "4.14.3": true,
		"4.15.0-rc.0": true, "4.22.1": true, "5.0.0": true, "4.14.0-0.okd-2024-01-26-175629": false, "4.15.0-0.okd-2024-02-10-035534": true, "4.19.0-okd-scos.0": true,
	} {
		if got := lead.Mixes(semver.MustParse(text)); got != want {
			t.Errorf("%s mixes: %t", text, got)
		}
	}
}

const (
	anICSP  = "apiVersion: operator.openshift.io/v1alpha1\nkind: ImageContentSourcePolicy\nmetadata: {name: a}\nspec: {repositoryDigestMirrors: [{source: q.example/a, mirrors: [m.example/a]}]}\n"
	anIDMS  = "apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata: {name: b}\nspec: {imageDigestMirrors: [{source: q.example/a, mirrors: [m.example/a]}]}\n"
	anITMS  = "apiVersion: config.openshift.io/v1\nkind: ImageTagMirrorSet\nmetadata: {name: c}\nspec: {imageTagMirrors: [{source: q.example/a, mirrors: [m.example/a]}]}\n"
	cutOff  = "apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata: {name: d}\nspec: {imageDigestMirrors: [{source: quay.io/team/app, mirrors: [x.example/a], mirrorSourcePolicy: NeverContactSource}]}\n"
	ownIDMS = "apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata: {name: satchel-generic-1}\nspec: {imageDigestMirrors: [{source: q.example/a, mirrors: [m.example:5000/ns/a]}]}\n"
	noRule  = "kind: List\nitems: []\n"
)

// TestMirrorAPI: which kind is written, by version, by what is there, and by what was asked for.
func TestMirrorAPI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version, present string
		api              site.MirrorAPI
		want             string // beginning of the files, or the error
	}{
		{"", "", "", "icsp"}, {"", "", site.MirrorAuto, "icsp"}, {"", "", site.MirrorIDMS, "idms"}, {"", noRule, site.MirrorAuto, "icsp"},
		{"", anIDMS, site.MirrorAuto, "idms"}, {"", anICSP, site.MirrorAuto, "icsp"}, {"", anICSP + "---\n" + anIDMS, site.MirrorAuto, "icsp"},
		{"4.18.3", "", site.MirrorAuto, "idms"}, {"4.18.3", anICSP, site.MirrorAuto, "idms"}, {"4.18.3", "", "", "icsp"}, {"4.18.3", anIDMS, site.MirrorICSP, "icsp"},
		{"4.12.40", "", site.MirrorAuto, "icsp"}, {"4.12.40", anICSP, site.MirrorAuto, "icsp"}, {"4.12.40", "", site.MirrorIDMS, "exists only from 4.13 on"},
		{"4.13.26", "", site.MirrorAuto, "icsp"}, {"4.13.26", noRule, site.MirrorAuto, "idms"}, {"4.13.26", anICSP, site.MirrorAuto, "icsp"}, {"4.13.26", anIDMS, site.MirrorAuto, "idms"}, {"4.13.26", anITMS, site.MirrorAuto, "idms"},
		{"4.13.26", anICSP, site.MirrorIDMS, "refuses an ImageDigestMirrorSet beside"}, {"4.14.2", anIDMS, site.MirrorICSP, "refuses an ImageContentSourcePolicy beside"}, {"4.14.2", anITMS, "", "refuses an ImageContentSourcePolicy beside"},
		{"4.13.27", anICSP, site.MirrorAuto, "idms"}, {"4.14.3", anICSP, site.MirrorIDMS, "idms"},
		{"4.18.3", ownIDMS, "", "idms"}, {"", ownIDMS, "", "idms"}, {"4.14.2", ownIDMS, "", "idms"}, {"4.18.3", ownIDMS, site.MirrorICSP, "icsp"}, {"4.18.3", anIDMS, "", "icsp"}, {"4.18.3", ownIDMS + "---\n" + anICSP, "", "idms"},
		{"", "", "Icsp", "is no kind of rules"},
		{"4.18.3", cutOff, site.MirrorICSP, "keeps nodes from quay.io/team/app itself"}, {"4.18.3", cutOff, site.MirrorIDMS, "idms"},
	} {
		in := emitInput{Mirror: "m.example:5000/ns", MirrorAPI: c.api, ClusterVersion: c.version, PresentRules: c.present, Images: []emitImage{{Origin: origin.Additional, Source: "quay.io/team/app:1"}}}
		inv, given := in.parse(t)
		files, _, err := Emit(inv, given)
		name := fmt.Sprintf("%q with %.60q, %s", c.version, c.present, c.api)
		var wrong *site.SiteError
		switch {
		case errors.As(err, &wrong):
			if !strings.Contains(err.Error(), c.want) || wrong.Field != "MirrorAPI" || wrong.Hint() == "" {
				t.Errorf("%s: %v (%s; %s)", name, err, wrong.Field, wrong.Hint())
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case !slices.ContainsFunc(files, func(f handover.File) bool { return strings.HasPrefix(f.Name, c.want+"-") }):
			t.Errorf("%s: no %s", name, c.want)
		case c.version != "" && strings.Contains(string(fileOf(t, files, handover.FileApply).Body), "older than 4.13.27"):
			t.Errorf("%s: APPLY.md speaks of other versions", name)
		}
	}
}

// TestSourcePolicy: nodes are kept from sources only where all rules are known.
func TestSourcePolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api     site.MirrorAPI
		policy  site.SourcePolicy
		present string
		want    string
	}{
		{site.MirrorICSP, site.SourceNever, noRule, "cannot keep nodes from the sources"}, {site.MirrorIDMS, site.SourceNever, "", "are not known"}, {site.MirrorIDMS, "maybe", noRule, "no policy of sources"},
		{site.MirrorIDMS, site.SourceNever, noRule, ""}, {site.MirrorICSP, site.SourceAllow, noRule, ""},
	} {
		in := emitInput{Mirror: "m.example:5000/ns", MirrorAPI: c.api, SourcePolicy: c.policy, PresentRules: c.present, Images: []emitImage{{Origin: origin.Additional, Source: "quay.io/team/app:1"}}}
		inv, given := in.parse(t)
		if _, _, err := Emit(inv, given); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s, %s: %v, want %q", c.api, c.policy, err, c.want)
		}
	}
}

// TestRulesByVersion: what a change of rules does to nodes, as APPLY.md says it for one version.
func TestRulesByVersion(t *testing.T) {
	t.Parallel()
	image := func(sources string) string {
		return "apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\nspec: {registrySources: " + sources + "}\n"
	}
	for _, c := range []struct {
		version, image string
		want, not      string
	}{
		{"", "", "4.7 drains every node; versions before 4.7 also reboot it", ""},
		{"4.6.1", "", "drains and reboots every node", "4.7"}, {"4.7.9", "", "applying these rules drains every node", "reboots"},
		{"4.9.0", "", "mid-2022", "4.7"}, {"4.9.0", image("{}"), "no drain and no reboot", "mid-2022"}, {"4.9.0", image("{blockedRegistries: [b.example]}"), "mid-2022", "4.7"},
		{"4.18.1", "", "no drain and no reboot", "mid-2022"},
	} {
		in := emitInput{Mirror: "m.example:5000/ns", ClusterVersion: c.version, PresentImage: c.image, PresentRules: noRule, Images: []emitImage{{Origin: origin.Additional, Source: "quay.io/team/app:1"}}}
		files, _ := emit(t, in)
		_, step, _ := strings.Cut(string(fileOf(t, files, handover.FileApply).Body), "Rules: where nodes find the images")
		step, _, _ = strings.Cut(step, "\n## ")
		if !strings.Contains(step, c.want) || c.not != "" && strings.Contains(step, c.not) {
			t.Errorf("%s, %q: the step lacks %q or has %q:\n%s", c.version, c.image, c.want, c.not, step)
		}
	}
}

// stateOfCluster makes what is known of a cluster: objects as JSON, and images in use.
func stateOfCluster(t *testing.T, version string, docs []string, asked ...string) *cluster.State {
	t.Helper()
	var list []cluster.Object
	for _, doc := range docs {
		var o struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		must(t, json.Unmarshal([]byte(doc), &o))
		list = append(list, cluster.Object{APIVersion: o.APIVersion, Kind: o.Kind, Name: o.Metadata.Name, Body: json.RawMessage(doc)})
	}
	s := cluster.NewState("c1", list, asked...)
	s.Version = version
	return s
}

// TestRulesOfTheCluster takes the rules from the cluster's objects, where all kinds were asked for.
func TestRulesOfTheCluster(t *testing.T) {
	t.Parallel()
	const ours = `{"apiVersion":"operator.openshift.io/v1alpha1","kind":"ImageContentSourcePolicy","metadata":{"name":"satchel-generic-1"},"spec":{"repositoryDigestMirrors":[{"source":"quay.io/team/last","mirrors":["m.example:5000/ns/team/last"]}]}}`
	in := emitInput{Mirror: "m.example:5000/ns", Images: []emitImage{{Origin: origin.Additional, Source: "quay.io/team/app:1"}}}
	for name, c := range map[string]struct {
		state *cluster.State
		file  string
	}{
		"all kinds":      {stateOfCluster(t, "4.18.1", []string{ours}, "ImageDigestMirrorSet", "ImageTagMirrorSet"), "icsp-generic-1.yaml"},
		"before 4.13":    {stateOfCluster(t, "4.12.1", []string{ours}), "icsp-generic-1.yaml"},
		"not all":        {stateOfCluster(t, "4.18.1", []string{ours}), "icsp-generic.yaml"},
		"cannot be read": {stateOfCluster(t, "4.12.1", []string{strings.ReplaceAll(ours, `["m.example:5000/ns/team/last"]`, `"x"`)}), "icsp-generic.yaml"},
	} {
		inv, given := in.parse(t)
		given.Cluster = c.state
		files, notes, err := Emit(inv, given)
		must(t, err)
		if got := string(fileOf(t, files, c.file).Body); strings.Contains(got, "team/last") != (c.file == "icsp-generic-1.yaml") {
			t.Errorf("%s: %s", name, got)
		}
		if name == "cannot be read" && !strings.Contains(strings.Join(notes, "\n"), "count as not known") {
			t.Errorf("nothing says that the rules cannot be read: %v", notes)
		}
	}
}

// TestIPv6Mirror: no node takes a rule for it from 4.13 on.
func TestIPv6Mirror(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api     site.MirrorAPI
		version string
		fails   bool
	}{{site.MirrorIDMS, "", true}, {site.MirrorICSP, "4.14.9", true}, {site.MirrorICSP, "4.12.9", false}, {site.MirrorICSP, "", false}} {
		in := emitInput{Mirror: "[fd00::1]:5000/ns", MirrorAPI: c.api, ClusterVersion: c.version, Images: []emitImage{{Origin: origin.Additional, Source: "quay.io/team/app:1"}}}
		inv, given := in.parse(t)
		if _, notes, err := Emit(inv, given); (err != nil) != c.fails || c.version == "" && !c.fails && !strings.Contains(strings.Join(notes, "\n"), "IPv6") {
			t.Errorf("%s %s: %v, %v", c.api, c.version, err, notes)
		}
	}
}
