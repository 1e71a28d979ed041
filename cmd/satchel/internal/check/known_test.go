package check_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// kindsOf lists the kinds of the findings that fail, each once.
func kindsOf(r *check.Report) (list []check.Kind) {
	for _, f := range r.Findings {
		if f.Fails && !slices.Contains(list, f.Kind) {
			list = append(list, f.Kind)
		}
	}
	return list
}

// TestNothingCarried: where neither a receipt nor a bundle is there, nobody knows what is missing, and no
// release is said to be.
func TestNothingCarried(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 251, kind{images: 3})
	v, err := manifests.ParseVersion("4.18.1")
	if err != nil {
		t.Fatal(err)
	}
	o := w.options()
	o.Receipts = nil
	o.Cluster, o.Audit.Target = clusterWith(t, fmt.Sprintf(deployments, "a", w.mirror.Host+"/in/none:1")), &v
	r, err := w.run(o)
	if fails := (*check.FailsError)(nil); !errors.As(err, &fails) {
		t.Fatal(err)
	}
	n := 0
	for _, f := range r.Findings {
		if f.Kind == check.Unknown && strings.HasPrefix(f.Wrong, "no receipt and no bundle says") && strings.Contains(f.Do, "--to HOST") {
			n++
		}
		if f.Kind == check.Update && strings.HasPrefix(f.Object, "release/") {
			t.Errorf("%+v", f)
		}
	}
	if n != 2 {
		t.Errorf("%d: %+v", n, r.Findings)
	}
}

// TestOfflineTags: without the mirror, a tag is there if a receipt says so, and not because a rule covers it.
func TestOfflineTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 252, kind{images: 3, api: manifests.MirrorIDMS})
	o := w.options()
	o.Offline = true
	if r, err := w.run(o); err != nil {
		t.Fatalf("%v: %+v", err, r.Findings)
	}
	repo, _, _ := strings.Cut(carried(t, o, "/app0"), "@")
	o.Cluster = clusterWith(t, fmt.Sprintf(deployments, "a", repo+":v1"), fmt.Sprintf(deployments, "b", repo+":v2"))
	r, _ := w.run(o)
	if got := foundOf(r, check.Unknown); !slices.Equal(got, []string{"missing shop/deployment/b c"}) {
		t.Errorf("%q", got)
	}
}

// TestOtherNodes: an index that has nothing for the nodes of the cluster is no success.
func TestOtherNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 253, kind{images: 3})
	o := w.options()
	o.Receipts[0].Manifests = nil // another bundle's
	o.Receipts[0].Images = slices.DeleteFunc(o.Receipts[0].Images, func(img receipt.Image) bool { return !strings.HasSuffix(img.Repo, "/app1") })
	o.Cluster = clusterWith(t, "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {nodeInfo: {architecture: arm64}}}")
	r, _ := w.run(o)
	i := slices.IndexFunc(r.Images, func(img *check.Image) bool { return strings.Contains(img.Image, "/app1@") })
	if i < 0 || !slices.Equal(r.Images[i].Platforms, []string{"linux/arm64"}) {
		t.Errorf("%+v", r.Images)
	}
	o.Cluster = clusterWith(t, "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {nodeInfo: {architecture: s390x}}}")
	if r, _ = w.run(o); !slices.Contains(kindsOf(r), check.Architecture) {
		t.Errorf("%+v", r.Findings)
	}
}

// TestWholeSecret: the pull secret that was given again has no entry for the mirror; the one among the files
// is added to it. What else it has is no entry of the mirror on a node.
func TestWholeSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 254, kind{images: 1, secure: true})
	secret := func(text string) *manifests.PullSecret {
		s, err := manifests.ParsePresentPullSecret("secret.json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	entry := fmt.Sprintf(`%q:{"auth":%q}`, w.mirror.Host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	o := w.options()
	if o.Handover.Entries == nil {
		t.Fatal("no entries among the files")
	}
	o.Handover.Secret, o.Handover.Whole = secret(`{"auths":{"quay.io":{"auth":"b2xkOm9sZA=="},`+entry+`}}`), true
	o.Secret = secret(`{"auths":{"quay.io":{"auth":"b2xkOm9sZA=="}}}`)
	o.Audit.OnNode = secret(`{"auths":{"quay.io":{"auth":"bmV3Om5ldw=="},` + entry + `}}`)
	if r, err := w.run(o); err != nil {
		t.Errorf("%v: %+v", err, r.Findings)
	}
	split := secret(fmt.Sprintf(`{"auths":{%q:{"username":%q,"password":%q}}}`, w.mirror.Host, user, password))
	if o.Secret = split; o.Handover.Secret == nil {
		t.Fatal("no secret")
	}
	if r, err := w.run(o); err != nil { // the entry of the files takes the place of the one that nodes do not read
		t.Errorf("%v: %+v", err, r.Findings)
	}
	o.Handover.Entries, o.Handover.Secret, o.Handover.Whole, o.Audit.OnNode = nil, split, false, nil
	o.NodeSecret = secret(`{"auths":{` + entry + `}}`)
	for _, given := range []*manifests.PullSecret{split, secret(`{"auths":{` + fmt.Sprintf(`%q:{"auth":"bm9kZTp3cm9uZw=="}`, w.mirror.Host) + `}}`)} {
		o.Secret, o.Handover.Secret = nil, given
		r, _ := w.run(o) // what was given for nodes counts only where the files have none
		if !slices.Contains(kindsOf(r), check.Credential) || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "--node-authfile") }) {
			t.Errorf("%v %q", kindsOf(r), r.Notes)
		}
	}
}

// TestClusterAuthority: the authority that the cluster has for the mirror counts, as on its nodes.
func TestClusterAuthority(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 255, kind{images: 1, secure: true})
	o := w.options()
	pem := o.Handover.Authorities[w.mirror.Host]
	if pem == "" {
		pem = o.Handover.Authorities[""]
	}
	clear(o.Handover.Authorities)
	o.Cluster = clusterWith(t, "{apiVersion: config.openshift.io/v1, kind: Image, metadata: {name: cluster}, spec: {additionalTrustedCA: {name: ca}}}",
		fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: ca, namespace: openshift-config}, data: {%q: %q}}", strings.Replace(w.mirror.Host, ":", "..", 1), pem))
	if r, _ := w.run(o); slices.Contains(kindsOf(r), check.Certificate) {
		t.Errorf("%+v", r.Findings)
	}
}

// TestMoved: a tag that names another image in the mirror than the one that was carried is found, for the
// image and for what runs it. Tags that no rule covers do not count as got.
func TestMoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 256, kind{images: 1, api: manifests.MirrorIDMS})
	o := w.options()
	repo, _, _ := strings.Cut(carried(t, o, "/app0"), "@")
	o.Cluster = clusterWith(t, fmt.Sprintf(deployments, "a", repo+":v1"))
	if r, _ := w.run(o); len(foundOf(r, check.Unknown)) > 0 {
		t.Fatalf("%+v", r.Findings)
	}
	if err := ocitest.Push(t.Context(), w.Content, w.Content.Image(false), "http://"+w.mirror.Host, "in"+strings.TrimPrefix(repo, w.Proxy.Host), "v1"); err != nil {
		t.Fatal(err)
	}
	r, _ := w.run(o)
	if got := foundOf(r, check.Unknown); !slices.Equal(got, []string{"moved shop/deployment/a c"}) {
		t.Errorf("%q", got)
	}
	for _, img := range r.Images {
		if img.Image == repo+":v1" && img.OK {
			t.Errorf("%+v", img)
		}
	}
	o.Cluster, o.Handover.Rules = nil, o.Handover.Rules[:0:0]
	for _, one := range w.options().Handover.Rules {
		if one.Digests() {
			o.Handover.Rules = append(o.Handover.Rules, one)
		}
	}
	r, _ = w.run(o)
	if !slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
		return f.Kind == check.Moved && !f.Fails && f.Image == w.mirror.Host+"/in"+strings.TrimPrefix(repo, w.Proxy.Host)+":v1"
	}) {
		t.Errorf("nothing is said of the tag in the mirror: %+v", r.Findings)
	}
	i := slices.IndexFunc(r.Images, func(img *check.Image) bool { return img.Image == repo+":v1" })
	if i < 0 || r.Images[i].OK || len(r.Images[i].Findings()) != 1 || r.Images[i].Findings()[0].Kind != check.ByTag {
		t.Errorf("%+v", r.Images)
	}
}

// TestOfflinePolicies: policies that were not looked at are no success.
func TestOfflinePolicies(t *testing.T) {
	t.Parallel()
	o := check.Options{Offline: true, Parallel: 1, Temp: t.TempDir()}
	o.Cluster = clusterWith(t, "{apiVersion: config.openshift.io/v1, kind: ClusterImagePolicy, metadata: {name: p}, spec: {scopes: [q.io/x], policy: {rootOfTrust: {policyType: PublicKey, publicKey: {keyData: eA==}}}}}")
	r, _ := check.Run(t.Context(), o)
	if r == nil || !slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
		return f.Kind == check.Unknown && f.Fails && strings.Contains(f.Wrong, "demand signatures")
	}) {
		t.Errorf("%+v", r)
	}
}
