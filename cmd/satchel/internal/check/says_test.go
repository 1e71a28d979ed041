package check_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// saying is a fault, and what is to be found of it.
type saying struct {
	edit  func(o *check.Options)
	kind  check.Kind
	fails bool
	wrong []string     // that its words have
	do    []string     // that the advice has
	more  []check.Kind // of what fails besides
}

// failingKinds are the kinds of what fails, each as often as it does. Whether all of a cluster is known is no matter here.
func failingKinds(r *check.Report) (list []check.Kind) {
	for _, f := range r.Findings {
		if f.Fails && !strings.HasPrefix(f.Object, "cluster ") {
			list = append(list, f.Kind)
		}
	}
	slices.Sort(list)
	return list
}

// says checks with each fault.
func (w *world) says(t *testing.T, faults map[string]saying) {
	t.Helper()
	for name, fault := range faults {
		o := w.options()
		o.Depth = check.Configs
		fault.edit(&o)
		r, err := w.run(o)
		if r == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := slices.Clone(fault.more)
		if fault.fails {
			want = append(want, fault.kind)
		}
		slices.Sort(want)
		if got := failingKinds(r); !slices.Equal(got, want) || (err != nil) != (r.Fails > 0) {
			t.Errorf("%s: %q fail, want %q; %v", name, got, want, err)
		}
		has := func(text string, parts []string) bool {
			return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
		}
		if !slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
			return f.Kind == fault.kind && f.Fails == fault.fails && has(f.Wrong, fault.wrong) && has(f.Do, fault.do)
		}) {
			t.Errorf("%s: not found among", name)
			for _, f := range r.Findings {
				t.Errorf("  %s %t %s %s: %s; %s", f.Kind, f.Fails, f.Object, f.Image, f.Wrong, f.Do)
			}
		}
	}
}

// leading changes the mirrors of the rule for a source.
func leading(o *check.Options, source string, to func(mirror string) []string) {
	for i := range o.Handover.Rules {
		object := &o.Handover.Rules[i]
		object.Rules = slices.Clone(object.Rules)
		for k := range object.Rules {
			if r := &object.Rules[k]; strings.HasSuffix(r.Source, source) {
				r.Mirrors = to(r.Mirrors[0])
			}
		}
	}
}

// presentRules are objects of a cluster, with a rule of its own.
func presentRules(source, mirror string) []string {
	return []string{
		"{apiVersion: config.openshift.io/v1, kind: ImageDigestMirrorSetList, items: [{apiVersion: config.openshift.io/v1, kind: ImageDigestMirrorSet, metadata: {name: old}, spec: {imageDigestMirrors: [{source: " + source + ", mirrors: ['" + mirror + "']}]}}]}",
		"{apiVersion: config.openshift.io/v1, kind: ImageTagMirrorSetList, items: []}",
		"{apiVersion: operator.openshift.io/v1alpha1, kind: ImageContentSourcePolicyList, items: []}",
	}
}

const imageConfig = "{apiVersion: config.openshift.io/v1, kind: Image, metadata: {name: cluster}, spec: {registrySources: {%s: ['%s']}}}"

// TestSays: each fault is found as what it is, with advice that helps.
func TestSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 261, kind{images: 3, api: manifests.MirrorIDMS})
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	away := strings.TrimPrefix(dead.URL, "http://")
	foreign := w.Content.Layer(2000, ocitest.LayerGzip)
	foreign.URLs = []string{"https://layers.example/x"}
	image := w.Content.Image(false, foreign)
	other := registrytest.StartOlareg(t)
	if err := ocitest.Push(t.Context(), w.Content, image, "http://"+other.Host, "foreign", "v1"); err != nil {
		t.Fatal(err)
	}
	o := w.options()
	sources := oci.Mirror{Host: w.mirror.Host, Namespace: "other"}
	app0, _, _ := strings.Cut(carried(t, o, "/app0"), "@")
	w.says(t, map[string]saying{
		"a layer from elsewhere": {func(o *check.Options) {
			o.Audit.Inside = []string{other.Host}
			o.Cluster = clusterWith(t, fmt.Sprintf(imageConfig, "insecureRegistries", other.Host), fmt.Sprintf(deployments, "a", other.Host+"/foreign@"+image.Digest.String()))
		}, check.Elsewhere, true, []string{"layers.example"}, nil, nil},
		"another mirror":    {func(o *check.Options) { o.Add(sources, nil) }, check.Unknown, true, []string{"/in, by the receipt", "/other (--to) keeps no receipt"}, []string{"--to " + w.mirror.Host + "/in"}, nil},
		"receipts not read": {func(o *check.Options) { o.Unread = append(o.Unread, errors.New("no answer")) }, check.Unknown, true, []string{"no answer"}, []string{"--ca-file"}, nil},
		"a wrong namespace": {func(o *check.Options) {
			leading(o, "/app2", func(m string) []string { return []string{strings.Replace(m, "/in/", "/wrong/", 1)} })
		}, check.Missing, true, []string{"/wrong/"}, []string{"correct the rule", "pushed to in/team2/deep/path/app2"}, nil},
		"a dead mirror first": {func(o *check.Options) {
			leading(o, "/app2", func(m string) []string { return []string{away + "/x", m} })
		}, check.Unreachable, false, []string{"connection refused", "get the image from " + w.mirror.Host}, nil, nil},
		"a dead mirror too": {func(o *check.Options) {
			leading(o, "/app2", func(m string) []string { return []string{strings.Replace(m, "/in/", "/wrong/", 1), away + "/x"} })
		}, check.Missing, true, []string{"/wrong/"}, nil, nil},
		"a dead mirror too, pushed elsewhere": {func(o *check.Options) {
			o.Receipts[0].Mirror.Host = "push.example:5000"
			leading(o, "/app2", func(m string) []string { return []string{strings.Replace(m, "/in/", "/wrong/", 1), away + "/x"} })
		}, check.Missing, true, []string{"/wrong/"}, []string{"correct the rule", "pushed to in/team2/deep/path/app2"}, nil},
		"blocked by name": {func(o *check.Options) {
			o.Cluster = clusterWith(t, fmt.Sprintf(imageConfig, "blockedRegistries", w.Proxy.Host+"/team2"))
		}, check.Blocked, false, []string{"1 image by name, from the mirror too", "/team2 of registrySources", "Nothing of this cluster"}, []string{"drains"}, nil},
		"blocked by name, many": {func(o *check.Options) {
			o.Cluster = clusterWith(t, fmt.Sprintf(imageConfig, "blockedRegistries", w.Proxy.Host))
		}, check.Blocked, true, []string{"images by name, from the mirror too"}, []string{"drains"}, nil},
		"blocked by name, in use": {func(o *check.Options) {
			o.Cluster = clusterWith(t, fmt.Sprintf(imageConfig, "blockedRegistries", w.Proxy.Host+"/team2"), fmt.Sprintf(deployments, "a", carried(t, *o, "/app2")))
		}, check.Blocked, true, []string{"from the mirror too"}, []string{"drains"}, nil},
		"not allowed": {func(o *check.Options) {
			o.Cluster = clusterWith(t, fmt.Sprintf(imageConfig, "allowedRegistries", w.mirror.Host))
		}, check.Blocked, true, []string{"allowedRegistries"}, nil, nil},
		"other nodes": {func(o *check.Options) {
			o.Cluster = clusterWith(t, "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {nodeInfo: {architecture: s390x}}}")
		}, check.Architecture, false, []string{"s390x", "which the cluster has"}, nil, nil},
		"offline, elsewhere": {func(o *check.Options) {
			o.Offline = true
			leading(o, "/app2", func(string) []string { return []string{"other.example/x/app2"} })
		}, check.Missing, true, nil, nil, nil},
		"a path that is no name": {func(o *check.Options) {
			leading(o, "/app2", func(m string) []string { return []string{m + "/" + strings.Repeat("x", 250)} })
		}, check.Refused, true, nil, nil, nil},
		"a deleted object": {func(o *check.Options) {
			o.Cluster = clusterWith(t, append(presentRules("old.example/x", w.mirror.Host+"/in/x"), fmt.Sprintf(deployments, "a", "old.example/x/app@"+image.Digest.String()))...)
			o.Handover.Deletes = []string{"imagedigestmirrorset/old"}
		}, check.NoRule, true, nil, []string{"pack --from-cluster"}, nil},
		"an object that names a tag": {func(o *check.Options) {
			all := o.Handover.Rules
			o.Handover.Rules = all[:0:0]
			for _, one := range all {
				if one.Digests() {
					o.Handover.Rules = append(o.Handover.Rules, one)
				}
			}
			o.Handover.Named = append(slices.Clone(o.Handover.Named), manifests.NamedImage{Kind: "UpdateService", Name: "s", Image: oci.Ref{Registry: w.Proxy.Host, Repository: strings.TrimPrefix(app0, w.Proxy.Host+"/"), Tag: "v1"}})
		}, check.ByTag, true, nil, []string{"a rule for tags"}, nil},
	})
}

// TestOrder: of two receipts the newer one counts, whichever was named first, so that no tag is said to have
// moved that a later bundle set.
func TestOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 262, kind{images: 1, api: manifests.MirrorIDMS})
	o := w.options()
	repo, _, _ := strings.Cut(carried(t, o, "/app0"), "@")
	image := w.Content.Image(false)
	if err := ocitest.Push(t.Context(), w.Content, image, "http://"+w.mirror.Host, "in"+strings.TrimPrefix(repo, w.Proxy.Host), "v1"); err != nil {
		t.Fatal(err)
	}
	later := *w.options().Receipts[0]
	later.Bundle, later.Time = "later", later.Time.Add(time.Hour)
	later.Images = slices.Clone(later.Images)
	for i := range later.Images {
		if strings.HasSuffix(later.Images[i].Repo, "/app0") && later.Images[i].Subject == "" {
			later.Images[i].Digest = image.Digest
		}
	}
	o.Add(o.Receipts[0].Mirror, []*receipt.Receipt{&later, o.Receipts[0]})
	if len(o.Receipts) != 2 || o.Receipts[0] != &later {
		t.Fatalf("%d receipts, the first of %s", len(o.Receipts), o.Receipts[0].Bundle)
	}
	if r, err := w.run(o); err != nil {
		t.Errorf("%v: %+v", err, r.Findings)
	}
}

// TestTags: tags that nodes do not pull by are missed all the same: they keep images from being collected, and
// signatures are found by theirs.
func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 263, kind{images: 3})
	o := w.options()
	o.Depth = check.Configs
	for _, img := range o.Receipts[0].Images {
		for _, tag := range img.Tags {
			path := filepath.Join(w.repoDir(w.mirror.Host+"/"+img.Repo), "_manifests/tags", tag.Name)
			if err := os.Rename(path, path+".away"); err != nil {
				t.Fatal(err)
			}
			r, _ := w.run(o)
			if n := len(slices.DeleteFunc(slices.Clone(r.Findings), func(f check.Finding) bool { return f.Kind == check.ByTag })); n != 1 {
				t.Errorf("%s:%s is away: %d findings", img.Repo, tag.Name, n)
			}
			for _, f := range r.Findings {
				if (f.Kind == check.Tag || f.Kind == check.Attachment) && f.Image != w.mirror.Host+"/"+img.Repo+":"+tag.Name {
					t.Errorf("%s:%s is away: %+v", img.Repo, tag.Name, f)
				}
			}
			if err := os.Rename(path+".away", path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestAway: only a mirror of which nothing answered is away; where one place refuses, that is the finding.
func TestAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 264, kind{images: 1, secure: true})
	o := w.options()
	o.Depth, o.Handover.Secret, o.Handover.Entries, o.Handover.Whole = check.Configs, nil, nil, false
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	o.Cluster = clusterWith(t, append(presentRules("old.example/x", strings.TrimPrefix(dead.URL, "http://")+"/x"), fmt.Sprintf(deployments, "a", "old.example/x/app@"+o.Receipts[0].Images[0].Digest.String()))...)
	r, err := w.run(o)
	if fails := (*check.FailsError)(nil); !errors.As(err, &fails) || !slices.ContainsFunc(r.Findings, func(f check.Finding) bool {
		return f.Kind == check.Credential && strings.Contains(f.Wrong, "nodes have no credential for it")
	}) {
		t.Errorf("%v: %+v", err, r.Findings)
	}
	secret, err := manifests.ParsePresentPullSecret("s", []byte(fmt.Sprintf(`{"auths":{%q:{"auth":"bm9kZTp3cm9uZw=="},%q:{"auth":"bm9kZTpvbGQ="}}}`, w.mirror.Host, w.mirror.Host+"/in/team0")))
	if err != nil {
		t.Fatal(err)
	}
	o.Secret = secret
	r, _ = w.run(o)
	for _, want := range []string{"by the entry " + w.mirror.Host + "/in/team0 of their pull secret, and not by the one", "by the entry " + w.mirror.Host + " of their pull secret"} {
		if !slices.ContainsFunc(r.Findings, func(f check.Finding) bool { return f.Kind == check.Credential && strings.Contains(f.Wrong, want) }) {
			t.Errorf("no %q", want)
		}
	}
	o = check.Options{Cluster: o.Cluster, Parallel: 1, Tries: 1, Temp: o.Temp}
	if _, err = w.run(o); !errors.As(err, new(*check.UnreachableError)) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
}
