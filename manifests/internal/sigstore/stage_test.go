package sigstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const (
	rel = "quay.io/ocp/release"
	art = "quay.io/ocp/art"
)

// shipped is a policy as a payload has it.
func shipped(name, annotations string, key []byte, scopes ...string) json.RawMessage {
	body := string(policyJSON(key, nil, "", scopes...))
	return json.RawMessage(strings.Replace(body, `{"name":"openshift"}`, fmt.Sprintf(`{"name":%q,"annotations":{%s}}`, name, annotations), 1))
}

const selfManaged = `"include.release.openshift.io/self-managed-high-availability":"true"`

// carried is an image of releases; without a version it is one of pods.
func carried(name string, versions ...string) oci.Image {
	ref, _ := oci.ParseRef(name + "@" + digest.FromString(name+strings.Join(versions, "")).String()) // it is one
	img := oci.Image{Origin: origin.Pod, Source: ref, Root: oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: ref.Digest, Size: 1}, Platforms: []string{"linux/amd64"}}
	for _, v := range versions {
		img.Origin = origin.Release
		img.Reasons = append(img.Reasons, oci.Reason{Kind: origin.KindRelease, Name: v + " x86_64", Part: "etcd"})
	}
	return img
}

// TestWay: which images are judged by which policies, on the way from one version to another.
func TestWay(t *testing.T) {
	t.Parallel()
	key := public(t, keys(t)["p256"])
	p21, p22 := shipped("openshift", selfManaged, key, rel), shipped("openshift", selfManaged, key, rel, art)
	preview := shipped("openshift", selfManaged+`,"release.openshift.io/feature-set":"TechPreviewNoUpgrade,CustomNoUpgrade"`, key, rel)
	release := func(version string, policies ...json.RawMessage) sigstore.Release {
		return sigstore.Release{Version: semver.MustParse(version), Policies: policies}
	}
	r20, r21, r22 := release("4.20.9", preview), release("4.21.3", p21), release("4.22.1", p22)
	r50 := release("5.0.1", p22)
	all := []oci.Image{
		carried(rel, "4.20.9"), carried(art, "4.20.9"), carried(rel, "4.21.3"), carried(art, "4.21.3"), carried(rel, "4.22.1"), carried(art, "4.22.1"), carried(art),
		carried(art, "4.20.9", "4.22.1"),
	}
	admin, other := policyOf(t, shipped("admin", "", key, "quay.io")), policyOf(t, shipped("other", "", key, "quay.io/other"))
	for _, tc := range []struct {
		name     string
		running  string
		present  []*sigstore.Policy
		releases []sigstore.Release
		want     string // the versions of the images, R of the release repository and A of the other
		others   bool   // the cluster may have other policies
	}{
		{"no policy", "", nil, []sigstore.Release{r20}, "", false},
		{"4.21 alone", "", nil, []sigstore.Release{r21}, "R20 R21 R22", false},
		{"to 4.21", "4.20.9", nil, []sigstore.Release{r20, r21}, "R20 R21 R22", false},
		{"to 4.22 from 4.21: the images that run, too", "4.21.3", nil, []sigstore.Release{r21, r22}, "R20 R21 A21 R22 A22 Apod A20,22", false},
		{"over two minors: the images that run, too", "4.20.9", nil, []sigstore.Release{r20, r21, r22}, "R20 A20 R21 A21 R22 A22 Apod A20,22", false},
		{"over two minors, with none between", "4.20.9", nil, []sigstore.Release{r22}, "R20 A20 R21 A21 R22 A22 Apod A20,22", false},
		{"over two minors: older ones are for other clusters", "4.20.8", nil, []sigstore.Release{r20, r22}, "R21 A21 R22 A22 Apod A20,22", false},
		{"from 4.22 to 5.0", "4.22.1", nil, []sigstore.Release{r50}, "R22 A22 Apod A20,22", false},
		{"to 5.0", "", nil, []sigstore.Release{r50}, "R22 A22 Apod A20,22", false},
		{"what runs is not known", "", nil, []sigstore.Release{r22}, "R21 A21 R22 A22 Apod A20,22", false},
		{"older releases do not come back", "4.22.1", nil, []sigstore.Release{r21, r22}, "R21 A21 R22 A22 Apod A20,22", false},
		{"nothing demanded any more", "4.22.1", []*sigstore.Policy{}, []sigstore.Release{r22}, "", false},
		{"the cluster's own", "4.20.9", []*sigstore.Policy{admin}, []sigstore.Release{r20}, "R20 A20 R21 A21 R22 A22 Apod A20,22", false},
		{"one of the cluster's own", "4.20.9", []*sigstore.Policy{admin}, []sigstore.Release{r20}, "R20 A20 R21 A21 R22 A22 Apod A20,22", true},
		{"one of another repository", "4.22.1", []*sigstore.Policy{other}, []sigstore.Release{r22}, "R21 A21 R22 A22 Apod A20,22", true},
	} {
		running := semver.Version{}
		if tc.running != "" {
			running = semver.MustParse(tc.running)
		}
		way, err := sigstore.WayOf(running, presentOf(tc.present, tc.present != nil && !tc.others), tc.releases, false)
		if err != nil {
			t.Fatal(err)
		}
		none := func(context.Context, oci.Image, digest.Digest) ([]sigstore.Signature, error) { return nil, nil }
		res, err := sigstore.Check(t.Context(), way, all, &oci.Memory{}, none, 2)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, img := range all {
			if slices.ContainsFunc(res.Unsigned, func(u sigstore.Unsigned) bool { return u.Image.Root.Digest == img.Root.Digest }) {
				got = append(got, short(img))
			}
		}
		if s := strings.Join(got, " "); s != tc.want {
			t.Errorf("%s: judged\n%s, want\n%s", tc.name, s, tc.want)
		}
	}
}

func short(img oci.Image) string {
	name := "A"
	if img.Source.Name() == rel {
		name = "R"
	}
	var versions []string
	for _, r := range img.Reasons {
		versions = append(versions, r.Name[2:4])
	}
	if len(versions) == 0 {
		versions = []string{"pod"}
	}
	return name + strings.Join(versions, ",")
}

func presentOf(list []*sigstore.Policy, whole bool) sigstore.Present {
	return sigstore.Present{Policies: list, Whole: whole}
}

func policyOf(t testing.TB, body []byte) *sigstore.Policy {
	t.Helper()
	p, err := sigstore.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPolicies: whose policy counts, and which cannot be judged here.
func TestPolicies(t *testing.T) {
	t.Parallel()
	all := keys(t)
	right, wrong := public(t, all["p256"]), public(t, all["p384"])
	own := func(namespace string, key []byte, scopes ...string) *sigstore.Policy {
		body := strings.Replace(string(policyJSON(key, nil, "", scopes...)), `"ClusterImagePolicy","metadata":{`, fmt.Sprintf(`"ImagePolicy","metadata":{"namespace":%q,`, namespace), 1)
		return policyOf(t, []byte(body))
	}
	wide := func(key []byte, scopes ...string) *sigstore.Policy {
		return policyOf(t, policyJSON(key, nil, "", scopes...))
	}
	fulcio := policyOf(t, []byte(`{"kind":"ClusterImagePolicy","metadata":{"name":"f"},"spec":{"scopes":["quay.io"],"policy":{"rootOfTrust":{"policyType":"FulcioCAWithRekor"}}}}`))
	broken := policyOf(t, []byte(`{"kind":"ClusterImagePolicy","metadata":{"name":"b"},"spec":{"scopes":["quay.io"],"policy":{"rootOfTrust":{"policyType":"PublicKey","publicKey":{"keyData":"eA=="}}}}}`))
	img := carried(art)
	for _, tc := range []struct {
		name      string
		policies  []*sigstore.Policy
		unsigned  int
		unchecked int
	}{
		{"signed", []*sigstore.Policy{wide(right, art)}, 0, 0},
		{"all of a scope", []*sigstore.Policy{wide(right, art), wide(wrong, art)}, 1, 0},
		{"the most precise scope alone", []*sigstore.Policy{wide(right, art), wide(wrong, "quay.io")}, 0, 0},
		{"a namespace's", []*sigstore.Policy{own("a", wrong, art)}, 1, 0},
		{"a namespace's, covered by the cluster's", []*sigstore.Policy{own("a", wrong, art), wide(right, "quay.io/ocp")}, 0, 0},
		{"of two namespaces", []*sigstore.Policy{own("a", wrong, art), own("b", right, art)}, 1, 0},
		{"a key that is none", []*sigstore.Policy{broken}, 1, 0},
		{"certificates", []*sigstore.Policy{fulcio}, 0, 1},
		{"another repository", []*sigstore.Policy{wide(wrong, "quay.io/ocp/ar")}, 0, 0},
	} {
		way, err := sigstore.WayOf(semver.Version{}, presentOf(tc.policies, true), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		where := func(_ context.Context, _ oci.Image, d digest.Digest) ([]sigstore.Signature, error) {
			s, err := ocitest.SignCosign(all["p256"], ocitest.CosignPayload(d, art+"@"+d.String()))
			return []sigstore.Signature{{MediaType: s.MediaType, Annotations: s.Annotations, Payload: s.Payload}}, err
		}
		res, err := sigstore.Check(t.Context(), way, []oci.Image{img}, &oci.Memory{}, where, 1)
		if err != nil || len(res.Unsigned) != tc.unsigned || len(res.Unchecked) != tc.unchecked {
			t.Errorf("%s: %+v, %v", tc.name, res, err)
		}
	}
}

// TestCarried: a signature counts in the repository that the image goes to, under its tag; a
// referrer does not, nor what nodes cannot read.
func TestCarried(t *testing.T) {
	t.Parallel()
	key := keys(t)["p256"]
	way, err := sigstore.WayOf(semver.Version{}, presentOf([]*sigstore.Policy{policyOf(t, policyJSON(public(t, key), nil, "", art))}, true), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	c := ocitest.New(5)
	img := carried(art)
	img.Path = "openshift/release"
	s, err := ocitest.SignCosign(key, ocitest.CosignPayload(img.Root.Digest, art+":v1"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Cosigned(s)
	if err != nil {
		t.Fatal(err)
	}
	index := c.Index(false, m)
	attached := func(root oci.Descriptor, path string, tags ...string) oci.Image {
		return oci.Image{Source: img.Source, Root: root, Subject: img.Root.Digest, Path: path, Tags: tags}
	}
	tag := ocitest.CosignTag(img.Root.Digest)
	for _, tc := range []struct {
		name string
		sig  oci.Image
		ok   bool
	}{
		{"under its tag", attached(m, img.Path, tag), true},
		{"a referrer", attached(m, img.Path), false},
		{"in another repository", attached(m, "", tag), false},
		{"an attestation", attached(m, img.Path, strings.Replace(tag, ".sig", ".att", 1)), false},
		{"an index", attached(index, img.Path, tag), false},
	} {
		images := []oci.Image{img, tc.sig}
		res, err := sigstore.Check(t.Context(), way, images, c, sigstore.Carried(images, c), 1)
		if err != nil || (len(res.Unsigned) == 0) != tc.ok {
			t.Errorf("%s: %+v, %v", tc.name, res, err)
		}
	}
}

// TestNamespaces: what an ImagePolicy demands is for the pods of its namespace, those too that only
// come with a new image; the pods of the platform's namespaces are the cluster itself.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	body := string(policyJSON(public(t, keys(t)["p256"]), nil, "", "quay.io/app"))
	of := func(ns string) []*sigstore.Policy {
		return []*sigstore.Policy{policyOf(t, []byte(strings.NewReplacer("ClusterImagePolicy", "ImagePolicy", `"name":"openshift"`, `"name":"p","namespace":"`+ns+`"`).Replace(body)))}
	}
	uses := func(ns, repo string) bool { return ns == "shop" && repo == "quay.io/app/web" }
	for name, tc := range map[string]struct {
		present []*sigstore.Policy
		uses    func(ns, repo string) bool
		want    string // whom the image is refused for
	}{
		"all pods":         {[]*sigstore.Policy{policyOf(t, []byte(body))}, uses, "[]"},
		"of a namespace":   {of("shop"), uses, "[pods of the namespace shop]"},
		"who does not yet": {of("other"), uses, "[pods of the namespace other, if they come to use it]"},
		"who may":          {of("other"), nil, "[pods of the namespace other]"},
		"of the platform":  {of("openshift-dns"), nil, "[]"},
	} {
		way, err := sigstore.WayOf(semver.Version{}, presentOf(tc.present, true), nil, false)
		if err != nil {
			t.Fatal(err)
		}
		way.Uses = tc.uses
		none := func(context.Context, oci.Image, digest.Digest) ([]sigstore.Signature, error) { return nil, nil }
		res, err := sigstore.Check(t.Context(), way, []oci.Image{carried("quay.io/app/web")}, &oci.Memory{}, none, 1)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, u := range res.Unsigned {
			got += "[" + u.For() + "]"
		}
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}
