package manifests

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

const clusterData = "../../shared/data/cluster"

// list writes pods as oc does: "NAMESPACE/POD IMAGE ID".
func podList(lines ...string) string {
	var items []string
	for _, line := range lines {
		f := append(strings.Fields(line), "", "")
		ns, name, _ := strings.Cut(f[0], "/")
		items = append(items, fmt.Sprintf(`{"kind":"Pod","metadata":{"name":%q,"namespace":%q},"spec":{"containers":[{"name":"main","image":%q}]},"status":{"containerStatuses":[{"name":"main","imageID":%q}]}}`,
			name, ns, f[1], f[2]))
	}
	return `{"kind":"List","items":[` + strings.Join(items, ",") + `]}`
}

func gathered(t *testing.T, lists ...string) Extra {
	t.Helper()
	set := NewPods()
	for _, list := range lists {
		if err := set.Read(strings.NewReader(list)); err != nil {
			t.Fatal(err)
		}
	}
	var e Extra
	e.Pods, e.PodNotes = set.Images()
	return e
}

// TestPods gathers, pins and tells apart what pods use and what else asks for it.
func TestPods(t *testing.T) {
	f := asktest.NewImages()
	old, now, third := f.PutImage("linux/amd64", "old"), f.PutImage("linux/amd64", "now"), f.PutImage("linux/amd64", "third")
	at := func(name string, d oci.Descriptor) string {
		f.Refs[name+"@"+d.Digest.String()] = d
		return name + "@" + d.Digest.String()
	}
	f.Refs["q.io/a/b:v1"], f.Refs["q.io/c:v1"] = now, now
	oldB, nowB, thirdD, oldD, nowC := at("q.io/a/b", old), at("q.io/a/b", now), at("q.io/d", third), at("q.io/d", old), at("q.io/c", now)
	c := asktest.ParseImages(t, "q.io/a/b:v1", thirdD)
	c.Extra = gathered(t,
		podList("n/two q.io/a/b:v1 "+oldB, "n/one q.io/a/b:v1 "+oldB, "n/three q.io/a/b:v1 "+nowB, "n/four localhost/x:y", "n/five UPPER"),
		podList("n/six "+thirdD+" "+thirdD, "n/seven "+oldD, "n/eight q.io/c:v1 "+nowC, "n/nine q.io/c:other q.io/c@"+now.Digest.String()))
	inv, err := Resolve(t.Context(), c, f)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, img := range inv.Images {
		got = append(got, fmt.Sprintf("%s %s %s %s", img.Origin, img.Source, strings.Join(img.Tags, ","), strings.Join(oci.Words(img.Reasons), ",")))
	}
	want := []string{
		"additional q.io/a/b:v1 v1 additionalImages,pod n/three main", // the pod that has the same is not there again
		"pod " + oldB + "  pod n/one main, and 1 more",
		"pod " + nowC + " other,v1 pod n/eight main,pod n/nine main",
		"additional " + thirdD + "  additionalImages,pod n/six main",
		"pod " + oldD + "  pod n/seven main",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	if err := (oci.Mirror{Host: "m.example"}).CheckCollisions(inv); err != nil {
		t.Error(err)
	}
	notes := strings.Join(f.Notes, "\n")
	for _, want := range []string{
		"not carried: images that exist only in the cluster's own registry or on a node, 1 image: localhost/x:y",
		`not carried: image "UPPER" of pod n/five main: image reference "UPPER"`,
		oldB + ", which pods name by the tag v1, is carried only by its digest: that tag is q.io/a/b:v1 in the mirror",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not have %s:\n%s", want, notes)
		}
	}
	if len(f.Notes) != 3 {
		t.Errorf("notes %q", f.Notes)
	}
	checkPodPage(t, inv)
}

// checkPodPage: APPLY.md lists the tags of pods, which rules by digest do not cover.
func checkPodPage(t *testing.T, inv *oci.Inventory) {
	t.Helper()
	files, _, err := Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if file.Name == "APPLY.md" && !strings.Contains(string(file.Body), "`q.io/c:other`: use `m.example/c:other`") {
			t.Errorf("APPLY.md does not list q.io/c:other:\n%s", file.Body)
		}
	}
}

// TestPodsOfARelease does not carry components twice, which have a place of their own.
func TestPodsOfARelease(t *testing.T) {
	m := asktest.NewRegistry()
	parts := m.Components("etcd", "b")
	m.At("q.example/release:v1", m.PutPayload(t, "4.18.1", "amd64", parts))
	c := asktest.ReleaseConfig(t, "q.example/release:v1")
	c.Extra = gathered(t, podList("openshift-etcd/etcd "+parts["etcd"]+" "+parts["etcd"]))
	c.Extra.IgnoreReleaseSignature = true // they have their own tests
	inv, err := Resolve(t.Context(), c, m)
	if err != nil || len(inv.Images) != 3 {
		t.Errorf("got %v, %v", inv, err)
	}
}

// TestPodsLost reports once each image that is not available.
func TestPodsLost(t *testing.T) {
	ref := "q.io/a@" + hexOf("a")
	c := asktest.ParseImages(t, strings.Replace(ref, "@", ":v1@", 1))
	c.Extra = gathered(t, podList("n/one "+ref+" "+ref))
	_, err := Resolve(t.Context(), c, asktest.NewImages())
	if gaps, ok := oci.Gaps(err); !ok || len(gaps) != 1 || gaps[0].Image.Origin != origin.Additional {
		t.Errorf("got %v", err)
	}
}

// TestPodsIdentity tells jobs apart by what pods use, not by the pods.
func TestPodsIdentity(t *testing.T) {
	a := "q.io/a@" + hexOf("a")
	digest := func(lists ...string) string {
		c := asktest.ParseImages(t, "a.io/b:c")
		c.Extra = gathered(t, lists...)
		return c.Digest().String()
	}
	one := digest(podList("n/one " + a))
	if again := digest(podList("n/two "+a, "n/three "+a)); again != one {
		t.Error("other pods with the same image make another job")
	}
	if other := digest(podList("n/one q.io/a@" + hexOf("b"))); other == one {
		t.Error("another image makes no other job")
	}
	if none := asktest.ParseImages(t, "a.io/b:c").Digest().String(); none == one {
		t.Error("pods make no other job")
	}
	c, err := Parse("f.yaml", []byte(asktest.Head+"mirror: {}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Extra = gathered(t, podList("n/one "+a)); c.CheckNotEmpty() != nil {
		t.Errorf("pods alone are nothing to carry: %v", c.CheckNotEmpty())
	}
}

// TestRealPods reads the pods of a real cluster, of OpenShift 4.13.
func TestRealPods(t *testing.T) {
	f, err := os.Open(clusterData + "/sno-ocp-4.13.0-ec.4/pods-A.json")
	if err != nil {
		t.Skipf("the files of other projects are not here: %v", err)
	}
	set := NewPods()
	if err := set.Read(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	images, notes := set.Images()
	var tagged []string
	for _, img := range images {
		if img.Ref.Digest == "" {
			t.Errorf("%s has no digest", img.Ref)
		}
		if img.Tag != "" {
			tagged = append(tagged, img.Ref.Repository+":"+img.Tag)
		}
	}
	want := []string{"redhat/certified-operator-index:v4.12", "redhat/community-operator-index:v4.12", "redhat/redhat-marketplace-index:v4.12",
		"redhat/redhat-operator-index:v4.12", "rhai-tech-preview/assisted-installer-reporter-rhel8:v1.0.0-320"}
	if len(images) != 77 || len(notes) != 0 || !slices.Equal(tagged, want) {
		t.Errorf("%d images, tagged %q, notes %q", len(images), tagged, notes)
	}
	dir := NewPods()
	if err := dir.ReadDir(os.DirFS(clusterData+"/insights-archive/pods"), "pods"); err != nil {
		t.Fatal(err)
	}
	if images, notes := dir.Images(); len(images) != 10 || len(notes) != 0 {
		t.Errorf("%d images of the archive, notes %q", len(images), notes)
	}
}

func hexOf(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// TestTagsOfPods: what init writes for a pod that names a tag still says so, with the cluster given
// again and without.
func TestTagsOfPods(t *testing.T) {
	m := asktest.NewImages()
	web := m.PutImage("linux/amd64", "web")
	digest := "@" + web.Digest.String()
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: web-1, namespace: shop}\nspec: {containers: [{name: c, image: 'q.io/apps/web:2.3'}]}\nstatus: {phase: Running, containerStatuses: [{name: c, imageID: 'q.io/apps/web" + digest + "'}]}\n"
	cv := "---\napiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {clusterID: c-1}\nstatus: {history: [{state: Completed, version: 4.16.5, image: 'quay.io/openshift-release-dev/ocp-release@" + hexOf("a") + "'}]}\n"
	state, err := ReadCluster("east", strings.NewReader(pod+cv))
	if err != nil {
		t.Fatal(err)
	}
	body, _, err := Draft([]*Cluster{state}, "")
	if err != nil || !strings.Contains(string(body), "q.io/apps/web:2.3"+digest) {
		t.Fatalf("got %s, %v", body, err)
	}
	m.Refs["q.io/apps/web"+digest] = web
	for name, in := range map[string]struct {
		image string
		extra Extra
	}{
		"the file alone":         {"q.io/apps/web:2.3" + digest, Extra{}},
		"and the cluster":        {"q.io/apps/web:2.3" + digest, gathered(t, podList("shop/web-1 q.io/apps/web:2.3 q.io/apps/web"+digest))},
		"its digest and the pod": {"q.io/apps/web" + digest, gathered(t, podList("shop/web-1 q.io/apps/web:2.3 q.io/apps/web"+digest))},
	} {
		c := asktest.ParseImages(t, in.image)
		c.Extra = in.extra
		inv, err := Resolve(t.Context(), c, m)
		if err != nil || len(inv.Images) != 1 {
			t.Fatalf("%s: %v, %v", name, inv, err)
		}
		files, _, err := Emit(inv, Site{Mirror: oci.Mirror{Host: "m.example"}, MirrorAPI: MirrorIDMS})
		if err != nil {
			t.Fatal(err)
		}
		rules := slices.ContainsFunc(files, func(f File) bool {
			return strings.HasPrefix(f.Name, "itms-") && strings.Contains(string(f.Body), "q.io/apps/web")
		})
		page := slices.ContainsFunc(files, func(f File) bool {
			return f.Name == "APPLY.md" && strings.Contains(string(f.Body), "`q.io/apps/web:2.3`: use `m.example/apps/web:2.3`")
		})
		if !rules || !page {
			t.Errorf("%s: a rule for the tag: %v, in the list of APPLY.md: %v", name, rules, page)
		}
	}
}
