package emit

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/lead"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/oci"
)

// TestUnsigned: where a signature is missing, APPLY.md stops in the step of the rules, no new rule
// leads to images of that repository, and rules that are there stay as they are.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	const art, other = "quay.io/ocp/art", "quay.io/acme/tool"
	digestOf := func(n int) string { return fmt.Sprintf("@sha256:%064x", n) }
	in := emitInput{Mirror: "m.example/ns", CA: testCA(t), Images: []emitImage{
		{Origin: origin.Release, Source: "quay.io/ocp/rel:v", Path: origin.PathPayload, Tags: []string{"4.22.1-x86_64"}},
		{Origin: origin.Release, Source: art + digestOf(1), Path: origin.PathComponents, Tags: []string{"4.22.1-x86_64-etcd"}},
		{Origin: origin.Release, Source: art + digestOf(2), Path: origin.PathComponents, Tags: []string{"4.22.1-x86_64-cli"}},
		{Origin: origin.Additional, Source: other + digestOf(3)},
	}}
	rule := func(name, source, mirror string) string {
		return strings.ReplaceAll(strings.ReplaceAll(fmt.Sprintf(icspDoc, name), "q.example/a", source), "m.example/a", mirror) + "---\n"
	}
	for _, tc := range []struct {
		name    string
		present string
		signed  bool
		mirrors string // of the rule for art in registries.conf
	}{
		{"signed", "", true, "m.example/ns/openshift/release"},
		{"nothing known", "", false, ""},
		{"no rule there", rule("satchel-generic-1", other, "m.example/ns/acme/tool"), false, ""},
		{"a rule there", rule("satchel-release-1", art, "old.example/x"), false, "old.example/x"},
		{"a rule there, signed", rule("satchel-release-1", art, "old.example/x"), true, "m.example/ns/openshift/release old.example/x"},
		{"this rule there", rule("satchel-release-1", art, "m.example/ns/openshift/release"), false, "m.example/ns/openshift/release"},
		{"of another tool", rule("release-0", art, "m.example/ns/openshift/release"), false, "m.example/ns/openshift/release"},
	} {
		in.PresentRules = tc.present
		inv, given := in.parse(t)
		for i, img := range inv.Images {
			if img.Origin == origin.Release {
				img.Reasons = []oci.Reason{{Kind: origin.KindRelease, Name: "4.22.1 x86_64"}}
				inv.Images[i] = img
			}
			if !tc.signed && img.Source.Name() == art && strings.HasSuffix(img.Tags[0], "etcd") {
				given.Unsigned = []sigstore.Unsigned{{Image: img, Manifest: img.Root.Digest, Policy: "ClusterImagePolicy openshift", When: "with 4.22.1", Err: sigstore.ErrNone}}
			}
		}
		files, notes, err := Emit(inv, given)
		must(t, err)
		var page, conf string
		for _, f := range files {
			switch f.Name {
			case handover.FileApply:
				page = string(f.Body)
			case handover.FileRegistries:
				conf = string(f.Body)
			}
			if text := string(f.Body); tc.signed && (strings.Contains(text, "ClusterImagePolicy") || strings.Contains(text, "igstore")) {
				t.Errorf("%s: %s has words about policies for images that have none", tc.name, f.Name)
			}
		}
		if got := mirrorsIn(conf, art); got != tc.mirrors {
			t.Errorf("%s: nodes get mirrors %q of %s, want %q", tc.name, got, art, tc.mirrors)
		}
		if mirrorsIn(conf, other) == "" || mirrorsIn(conf, "quay.io/ocp/rel") == "" {
			t.Errorf("%s: rules of other repositories are missing:\n%s", tc.name, conf)
		}
		step, stop, apply := strings.Index(page, "Rules: where nodes find"), strings.Index(page, "**Stop.**"), strings.Index(page, "oc apply -f icsp-")
		noted := strings.Contains(strings.Join(notes, "\n"), "nodes will refuse images of "+art)
		switch {
		case tc.signed && (stop >= 0 || noted):
			t.Errorf("%s: it stops", tc.name)
		case !tc.signed && (!noted || step < 0 || stop < step || apply < stop || !strings.Contains(page[stop:apply], art+digestOf(1)) || strings.Contains(page[stop:apply], digestOf(2))):
			t.Errorf("%s: the step is at %d, its stop at %d, the first rule applied at %d, noted %t:\n%s", tc.name, step, stop, apply, noted, page)
		}
		if !tc.signed && !strings.Contains(page[stop:apply], "the commands of this step may be run all the same") {
			t.Errorf("%s: it does not say whether the rules may be applied", tc.name)
		}
		cut, install := string(fileOf(t, files, handover.FileCut).Body), string(fileOf(t, files, fileInstall).Body)
		if stops := strings.Contains(cut, "**Stop. The mirror lacks signatures"); stops == tc.signed {
			t.Errorf("%s: the cut stops: %t", tc.name, stops)
		}
		if out := strings.Contains(install, "**Not here: `4.22.1-x86_64`."); out == tc.signed || strings.Contains(install, "oc apply -f install/clusterimageset-") == out || lacksFile(files, fileInstallConfig) != out || lacksFile(files, fileInstallCA) != out {
			t.Errorf("%s: new clusters are offered: %t\n%s", tc.name, !out, install)
		}
		if next := strings.Contains(page, "oc adm upgrade --allow"); next != tc.signed {
			t.Errorf("%s: an update is offered: %t", tc.name, next)
		}
	}
}

// TestUnsignedForSome: what some pods alone are refused is said before the rules, and stops nothing.
func TestUnsignedForSome(t *testing.T) {
	t.Parallel()
	const app = "quay.io/acme/tool"
	inv, given := emitInput{Mirror: "m.example/ns", Images: []emitImage{{Origin: origin.Additional, Source: app + fmt.Sprintf("@sha256:%064x", 3)}}}.parse(t)
	given.Unsigned = []sigstore.Unsigned{{Image: inv.Images[0], Manifest: inv.Images[0].Root.Digest, Policy: "ImagePolicy shop/p", When: "now", Namespace: "shop", Err: sigstore.ErrNone}}
	files, notes, err := Emit(inv, given)
	must(t, err)
	page, conf := string(fileOf(t, files, handover.FileApply).Body), string(fileOf(t, files, handover.FileRegistries).Body)
	said, apply := strings.Index(page, "For pods of the namespace shop: ImagePolicy shop/p demands a signature (now), and there is none (tag `sha256-HEX.sig`, by the image's digest):\n\n- `"+app), strings.Index(page, "oc apply -f icsp-")
	if mirrorsIn(conf, app) == "" || said < 0 || apply < said || strings.Contains(page, "**Stop.**") || !strings.Contains(strings.Join(notes, "\n"), "for pods of the namespace shop") {
		t.Errorf("said at %d, applied at %d; notes %q\n%s", said, apply, notes, page)
	}
}

// TestUnsignedForClusters: what one of several clusters refuses whole stops the reader there, and
// is not called a matter of some pods.
func TestUnsignedForClusters(t *testing.T) {
	t.Parallel()
	const app = "quay.io/acme/tool"
	inv, given := emitInput{Mirror: "m.example/ns", Images: []emitImage{{Origin: origin.Additional, Source: app + fmt.Sprintf("@sha256:%064x", 3)}}}.parse(t)
	given.Unsigned = []sigstore.Unsigned{{Image: inv.Images[0], Manifest: inv.Images[0].Root.Digest, Policy: "ClusterImagePolicy p", When: "now", Clusters: []string{"west"}, Err: sigstore.ErrNone}}
	files, _, err := Emit(inv, given)
	must(t, err)
	page, conf := string(fileOf(t, files, handover.FileApply).Body), string(fileOf(t, files, handover.FileRegistries).Body)
	said, apply := strings.Index(page, "For the cluster west: ClusterImagePolicy p demands a signature (now), "), strings.Index(page, "oc apply -f icsp-")
	if mirrorsIn(conf, app) == "" || said < 0 || apply < said || !strings.Contains(page, "**Stop if the cluster is one of those") || strings.Contains(page, "some pods alone") {
		t.Errorf("said at %d, applied at %d\n%s", said, apply, page)
	}
}

// mirrorsIn lists the mirrors of a source in registries.conf.
func mirrorsIn(conf, source string) string {
	_, after, ok := strings.Cut(conf, `prefix = "`+source+`"`)
	if !ok {
		if _, after, ok = strings.Cut(conf, `location = "`+source+`"`); !ok {
			return ""
		}
	}
	after, _, _ = strings.Cut(after, "[[registry]]")
	var list []string
	for _, part := range strings.Split(after, "[[registry.mirror]]")[1:] {
		_, m, _ := strings.Cut(part, `location = "`)
		m, _, _ = strings.Cut(m, `"`)
		list = append(list, m)
	}
	return strings.Join(list, " ")
}

// TestUnsignedReason says what is wrong with a signature, not only that it is; images that lack one
// for the same reason stand below it together.
func TestUnsignedReason(t *testing.T) {
	t.Parallel()
	inv, given := emitInput{Mirror: "m.example", Images: []emitImage{
		{Origin: origin.Release, Source: "quay.io/ocp/art" + fmt.Sprintf("@sha256:%064x", 1), Path: origin.PathComponents, Tags: []string{"x"}},
		{Origin: origin.Release, Source: "quay.io/ocp/art" + fmt.Sprintf("@sha256:%064x", 2), Path: origin.PathComponents, Tags: []string{"y"}},
	}}.parse(t)
	wrong := errors.New("another key\nmade it")
	for i, platform := range []string{"linux/arm64", "linux/amd64"} {
		given.Unsigned = append(given.Unsigned, sigstore.Unsigned{Image: inv.Images[i], Manifest: inv.Images[i].Root.Digest, Platform: platform, Policy: "ImagePolicy ns/p", When: "now", Err: wrong})
	}
	const want = "ImagePolicy ns/p demands a signature (now), and does not take the one that is there: another key made it:"
	if got := lead.UnsignedReason(given.Unsigned[0]); got != want {
		t.Error(got)
	}
	files, _, err := Emit(inv, given)
	must(t, err)
	page := string(fileOf(t, files, handover.FileApply).Body)
	inOrder(t, page, "**Stop.**", want+"\n\n- `quay.io/ocp/art@sha256:", "`, linux/arm64\n- `quay.io/ocp/art@sha256:", "`, linux/amd64\n")
	if n := strings.Count(page, want); n != 1 {
		t.Errorf("the reason stands there %d times:\n%s", n, page)
	}
}

// TestOtherMirrors: where images must be signed, mirrors of others in the cluster's rules are named.
func TestOtherMirrors(t *testing.T) {
	t.Parallel()
	const art = "quay.io/ocp/art"
	in := emitInput{Mirror: "m.example/ns", Images: []emitImage{{Origin: origin.Release, Source: art + fmt.Sprintf("@sha256:%064x", 1), Path: origin.PathComponents, Tags: []string{"4.22.1-x86_64-etcd"}}}}
	rule := func(name, source, mirror string) string {
		return strings.ReplaceAll(strings.ReplaceAll(fmt.Sprintf(icspDoc, name), "q.example/a", source), "m.example/a", mirror) + "---\n"
	}
	for name, c := range map[string]struct {
		present string
		demand  []string
		want    bool
	}{
		"another mirror":        {rule("theirs", art, "old.example/x"), []string{art}, true},
		"one of a wider rule":   {rule("theirs", "quay.io/ocp", "old.example/x"), []string{art}, true},
		"ours":                  {rule("satchel-release-1", art, "m.example/ns/openshift/release"), []string{art}, false},
		"beside the same rules": {rule("satchel-release-1", art, "m.example/ns/openshift/release") + rule("theirs", art, "old.example/x"), []string{art}, true},
		"nothing demanded":      {rule("theirs", art, "old.example/x"), nil, false},
		"of another repository": {rule("theirs", "quay.io/acme", "old.example/x"), []string{art}, false},
	} {
		in.PresentRules = c.present
		inv, given := in.parse(t)
		given.Demanding = c.demand
		files, notes, err := Emit(inv, given)
		must(t, err)
		page := string(fileOf(t, files, handover.FileApply).Body)
		if noted := strings.Contains(strings.Join(notes, "\n"), "other mirrors for it"); noted != c.want {
			t.Errorf("%s: %q", name, notes)
		}
		if said := strings.Contains(page, "does not look: old.example/x"); said != c.want {
			t.Errorf("%s:\n%s", name, page)
		}
	}
}

// TestUnsignedOnWay: an update ends before the first release with which nodes would refuse images that
// they need, and only what is demanded on the way up to there holds rules back.
func TestUnsignedOnWay(t *testing.T) {
	t.Parallel()
	const art = "quay.io/ocp/art"
	tag := func(v string) string { return v + "-x86_64" }
	part := func(name string) oci.Image {
		d := digest.FromString(name)
		ref, err := oci.ParseRef(art + "@" + d.String())
		must(t, err)
		return oci.Image{Origin: origin.Release, Source: ref, Path: origin.PathComponents, Root: oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: d, Size: 1}, Reasons: []oci.Reason{{Kind: origin.KindRelease, Name: name, Part: "etcd"}}}
	}
	all := []emitFacts{{Tag: tag("4.20.10")}, {Tag: tag("4.21.3"), Previous: []string{"4.20.10"}}, {Tag: tag("4.22.1"), Previous: []string{"4.21.3"}}}
	for name, c := range map[string]struct {
		running string
		facts   []emitFacts
		earlier []emitFacts
		of      string // the release of the image without a signature
		stages  []string
		ruled   bool // nodes get a rule for its repository
		want    []string
	}{
		"what runs":              {"4.20.10", all[1:], nil, "4.20.10 that runs", []string{"4.21.3"}, true, []string{"**Stop before any update to 4.21.3.**", "gap list names", "The update: stop", "No update is to be begun now", "nodes would refuse 1 image of 4.20.10, which they need until the update is done", "do not update to 4.22.1 either", "!--to-image", "!has behind it"}},
		"of a step, later":       {"4.20.10", all, nil, "4.21.3 x86_64", []string{"4.22.1"}, true, []string{"**Stop before any update to 4.22.1.**", "It is updated to 4.21.3.", "Do not update to 4.22.1", "Update to 4.21.3", "--to-image"}},
		"of the step":            {"4.20.10", all, nil, "4.21.3 x86_64", []string{"4.21.3", "4.22.1"}, true, []string{"No update is to be begun now", "Do not update to 4.21.3", "!--to-image"}},
		"of a later release":     {"4.20.10", all, nil, "4.22.1 x86_64", []string{"4.21.3", "4.22.1"}, true, []string{"It is updated to 4.21.3.", "Do not update to 4.22.1"}},
		"of an earlier bundle":   {"4.20.10", all[2:], all[1:2], "4.21.3 x86_64", []string{"4.21.3", "4.22.1"}, true, []string{"No update is to be begun now", "Do not update to 4.21.3", "!--to-image"}},
		"now":                    {"4.20.10", all, nil, "4.20.10 x86_64", []string{"4.20.10"}, false, []string{"**Stop.**", "It is updated to 4.21.3, then to 4.22.1."}},
		"what runs is not known": {"", all, nil, "4.21.3 x86_64", []string{"4.22.1"}, false, []string{"**Stop.**", "brings it to 4.20.10, then to 4.21.3.", "Update to 4.21.3", "have no new rule for images of this release, those of `quay.io/ocp/art`"}},
	} {
		in := emitInput{Mirror: "m.example", ClusterVersion: c.running, Facts: c.facts, EarlierReleases: c.earlier}
		for _, f := range c.facts {
			in.Images = append(in.Images, payloads(f.Tag)...)
		}
		inv, given := in.parse(t)
		named := func(img *oci.Image) {
			img.Reasons = []oci.Reason{{Kind: origin.KindRelease, Name: strings.Replace(img.Tags[0], "-", " ", 1)}}
		}
		for i := range inv.Images {
			named(&inv.Images[i])
		}
		for _, f := range c.facts {
			inv.Images = append(inv.Images, part(strings.Replace(f.Tag, "-", " ", 1)))
			inv.Images[len(inv.Images)-1].Tags = []string{f.Tag + "-etcd"}
		}
		for i := range given.EarlierReleases {
			named(&given.EarlierReleases[i].Image)
		}
		bad := part(c.of)
		u := sigstore.Unsigned{Image: bad, Manifest: bad.Root.Digest, Policy: "ClusterImagePolicy openshift", When: "with some", Err: sigstore.ErrNone}
		for _, v := range c.stages {
			u.Stages = append(u.Stages, semver.MustParse(v))
		}
		given.Unsigned = []sigstore.Unsigned{u}
		files, _, err := Emit(inv, given)
		must(t, err)
		page := string(fileOf(t, files, handover.FileApply).Body)
		order(t, page, c.want...)
		if ruled := mirrorsIn(string(fileOf(t, files, handover.FileRegistries).Body), art) != ""; ruled != c.ruled {
			t.Errorf("nodes get a rule: %t", ruled)
		}
		if t.Failed() {
			t.Fatalf("%s:\n%s", name, page)
		}
	}
}
