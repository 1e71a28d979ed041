package inuse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const host = "m.example:5000"

// site is a mirror with two releases, two catalogs of an operator, a graph image and
// other images, as two bundles brought them.
type site struct {
	*ocitest.Content
	place   oci.Mirror
	there   map[string]oci.Descriptor // HOST/REPOSITORY@DIGEST
	names   map[string]oci.Descriptor // what tests call them
	bundles []*receipt.Receipt
	fail    error
}

func (s *site) Served(_ context.Context, name oci.Ref) (oci.Descriptor, oci.Source, error) {
	if s.fail != nil {
		return oci.Descriptor{}, nil, s.fail
	}
	return s.there[name.String()], s, nil
}

func (s *site) Open(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	return s.Content.Open(ctx, d, off)
}

// put adds an image to the last bundle, with what lies below it.
func (s *site) put(name string, img oci.Image) oci.Descriptor {
	r := s.bundles[len(s.bundles)-1]
	img.Source.Digest = ""
	repo := r.Mirror.Repo(img).Repository
	s.names[name] = img.Root
	in := receipt.Image{Repo: repo, Digest: img.Root.Digest, Origins: []oci.Origin{img.Origin}, Subject: img.Subject}
	for _, tag := range img.MirrorTags() {
		in.Tags = append(in.Tags, receipt.Tag{Name: tag, Mark: receipt.Pushed})
	}
	r.Images = append(r.Images, in)
	err := oci.Walk(context.Background(), s, img.Root, func(d oci.Descriptor, body []byte) error {
		if body != nil {
			r.Manifests = append(r.Manifests, receipt.Manifest{Repo: repo, Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, Mark: receipt.Pushed})
			s.there[oci.Ref{Registry: host, Repository: repo, Digest: d.Digest}.String()] = d
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	if !img.Built {
		r.Repositories = append(r.Repositories, receipt.Repository{Name: repo, Sources: []receipt.SourceRepository{{Name: img.Source.Name(), Origins: []oci.Origin{img.Origin}}}})
	}
	return img.Root
}

func (s *site) image() oci.Descriptor { return s.Image(false, s.Layer(64, ocitest.LayerGzip)) }

func (s *site) bundle() {
	n := len(s.bundles) + 1
	s.bundles = append(s.bundles, &receipt.Receipt{State: receipt.Done, Bundle: fmt.Sprintf("bundle%d", n), Mirror: s.place, Time: time.Unix(int64(n), 0)})
}

func ref(name string) oci.Ref {
	r, err := oci.ParseRef(name)
	if err != nil {
		panic(err)
	}
	return r
}

// release puts a release of one component of its own, and one that all have.
func (s *site) release(t *testing.T, version string, shared oci.Descriptor) {
	t.Helper()
	own := s.image()
	const art = "quay.io/openshift-release-dev/ocp-v4.0-art-dev"
	payload, err := s.Payload(version, "amd64", map[string]string{"own": art + "@" + own.Digest.String(), "shared": art + "@" + shared.Digest.String()})
	if err != nil {
		t.Fatal(err)
	}
	tag := version + "-x86_64"
	s.put("payload "+version, oci.Image{Origin: manifests.OriginRelease, Source: ref("quay.io/openshift-release-dev/ocp-release:" + tag), Root: payload, Path: manifests.PathRelease, Tags: []string{tag}})
	s.put("own "+version, oci.Image{Origin: manifests.OriginRelease, Source: ref(art + ":x"), Root: own, Path: manifests.PathComponents, Tags: []string{tag + "-own"}})
	s.put("shared", oci.Image{Origin: manifests.OriginRelease, Source: ref(art + ":x"), Root: shared, Path: manifests.PathComponents, Tags: []string{tag + "-shared"}})
	sig := s.Artifact("signature", s.Blob([]byte("sig "+version), "text/plain"))
	s.put("signature "+version, oci.Image{Origin: manifests.OriginRelease, Source: ref("quay.io/openshift-release-dev/ocp-release:" + tag), Root: sig, Path: manifests.PathRelease, Tags: []string{"sha256-" + payload.Digest.Encoded() + ".sig"}, Subject: payload.Digest})
}

// operator puts a catalog with one version of an operator, and its images.
func (s *site) operator(t *testing.T, version string) {
	t.Helper()
	bundle, operand := s.image(), s.image()
	docs := fmt.Sprintf(`{"schema":"olm.package","name":"etcd","defaultChannel":"stable"}
{"schema":"olm.channel","package":"etcd","name":"stable","entries":[{"name":"etcd.v%[1]s"}]}
{"schema":"olm.bundle","package":"etcd","name":"etcd.v%[1]s","image":"q.io/etcd/bundle:%[1]s","properties":[{"type":"olm.package","value":{"packageName":"etcd","version":"%[1]s"}}],"relatedImages":[{"name":"x","image":"q.io/etcd/operand@%[2]s"}]}
`, version, operand.Digest)
	index, err := s.Catalog("amd64", map[string][]byte{"etcd/catalog.json": []byte(docs)})
	if err != nil {
		t.Fatal(err)
	}
	s.put("catalog "+version, oci.Image{Origin: manifests.OriginCatalog, Source: ref("r.io/redhat/index:v4.16"), Root: index, Tags: []string{"v4.16"}, Built: true})
	s.put("bundle "+version, oci.Image{Origin: manifests.OriginOperator, Source: ref("q.io/etcd/bundle:" + version), Root: bundle, Tags: []string{version}})
	s.put("operand "+version, oci.Image{Origin: manifests.OriginOperator, Source: ref("q.io/etcd/operand@" + operand.Digest.String()), Root: operand})
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Content: ocitest.New(11), place: oci.Mirror{Host: host, Namespace: "ns"}, there: map[string]oci.Descriptor{}, names: map[string]oci.Descriptor{}}
	shared := s.image()
	for i, v := range []string{"1", "2"} {
		s.bundle()
		s.release(t, "4.16."+v, shared)
		s.operator(t, v+".0.0")
		s.put("graph "+v, oci.Image{Origin: manifests.OriginRelease, Source: oci.Ref{Registry: "graph-data.local", Repository: manifests.PathGraph, Tag: "latest"}, Root: s.image(), Tags: []string{"latest"}, Built: true})
		child := s.image()
		s.names["child "+v] = child
		s.put("app "+v, oci.Image{Origin: manifests.OriginAdditional, Source: ref("q.io/app/web:latest"), Root: s.Index(false, child, s.image()), Tags: []string{"latest"}})
		s.put("tool "+v, oci.Image{Origin: manifests.OriginAdditional, Source: ref(fmt.Sprintf("q.io/app/tool:v%d", i+1)), Root: s.image(), Tags: []string{"v" + v}})
	}
	return s
}

// kept lists the names of what stays.
func (s *site) kept(k *Images) string {
	var list []string
	for name, d := range s.names {
		for _, repo := range factsOf(s.bundles).manifests[d.Digest] {
			if k.Digest(repo, d.Digest) != "" {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

func write(t *testing.T, body string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.yaml")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func clusterVersion(version string, d digest.Digest) string {
	return fmt.Sprintf("kind: ClusterVersion\nmetadata: {name: version}\nstatus:\n  desired: {version: %[1]s, image: 'quay.io/openshift-release-dev/ocp-release@%[2]s'}\n  history:\n  - {state: Completed, version: %[1]s, image: 'quay.io/openshift-release-dev/ocp-release@%[2]s'}\n", version, d)
}

func pod(image, id string) string {
	return fmt.Sprintf("kind: Pod\nmetadata: {name: p, namespace: ns}\nspec: {containers: [{image: %q}]}\nstatus: {phase: Running, containerStatuses: [{image: %q, imageID: %q}]}\n", image, image, id)
}

func subscription(installed string) string {
	return fmt.Sprintf("apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: etcd, namespace: ns}\nspec: {name: etcd}\nstatus: {installedCSV: %q, currentCSV: %q}\n", installed, installed)
}

// TestKeep: what stays, by what files say. Everything stays of which too little is known.
func TestKeep(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const elsewhere = "docker.io/library/busybox:1"
	anyPod := pod(elsewhere, "")
	rel := func(v string) string { return clusterVersion(v, s.names["payload "+v].Digest) }
	const (
		graph      = "graph 2"
		graphs     = "graph 1, graph 2"
		catalogs   = "catalog 1.0.0, catalog 2.0.0"
		bundles    = "bundle 1.0.0, bundle 2.0.0"
		operands   = "operand 1.0.0, operand 2.0.0"
		releases   = "own 4.16.1, own 4.16.2, payload 4.16.1, payload 4.16.2, shared, signature 4.16.1, signature 4.16.2"
		everything = bundles + ", " + catalogs + ", " + graphs + ", " + operands + ", " + releases
		first      = "own 4.16.1, payload 4.16.1, shared, signature 4.16.1"
		second     = "own 4.16.2, payload 4.16.2, shared, signature 4.16.2"
	)
	in := func(repo, name string) string { return host + "/ns/" + repo + "@" + s.names[name].Digest.String() }
	for name, tc := range map[string]struct {
		pods, versions, subs []string
		without              bool
		want, note           string
	}{
		"nobody says anything":        {want: everything, note: "only other images go"},
		"nobody is to care":           {without: true, want: graph, note: "even if a cluster uses it"},
		"all of one cluster":          {pods: []string{anyPod}, versions: []string{rel("4.16.2")}, subs: []string{subscription("etcd.v2.0.0")}, want: "bundle 2.0.0, " + graph + ", operand 2.0.0, " + second},
		"of two":                      {pods: []string{anyPod, anyPod}, versions: []string{rel("4.16.2"), rel("4.16.1")}, subs: []string{subscription("etcd.v2.0.0"), subscription("etcd.v1.0.0")}, want: bundles + ", " + graph + ", " + operands + ", " + releases},
		"pods of one of two":          {pods: []string{anyPod}, versions: []string{rel("4.16.2"), rel("4.16.1")}, subs: []string{subscription("etcd.v2.0.0"), subscription("etcd.v2.0.0")}, want: everything, note: "with the pods of every cluster"},
		"by version alone":            {pods: []string{anyPod}, versions: []string{clusterVersion("4.16.1", oci.Digest(nil))}, subs: []string{subscription("etcd.v2.0.0")}, want: "bundle 2.0.0, " + graph + ", operand 2.0.0, " + first},
		"a release that nobody knows": {pods: []string{anyPod}, versions: []string{clusterVersion("4.15.9", oci.Digest(nil))}, subs: []string{subscription("etcd.v2.0.0")}, want: "bundle 2.0.0, " + graphs + ", operand 2.0.0, " + releases, note: "no receipt has the release 4.15.9"},
		"an operator nobody knows":    {pods: []string{anyPod}, versions: []string{rel("4.16.2")}, subs: []string{subscription("other.v1")}, want: bundles + ", " + graph + ", " + operands + ", " + second, note: "no catalog that could be read in the mirror has other.v1"},
		"about to be installed":       {pods: []string{anyPod}, versions: []string{rel("4.16.2")}, subs: []string{subscription("")}, want: bundles + ", " + graph + ", " + operands + ", " + second},
		"no pods":                     {versions: []string{rel("4.16.2")}, subs: []string{subscription("etcd.v2.0.0")}, want: everything, note: "with the pods of every cluster"},
		"no versions":                 {pods: []string{anyPod}, subs: []string{subscription("etcd.v2.0.0")}, want: "bundle 2.0.0, " + graphs + ", operand 2.0.0, " + releases, note: "no file with a ClusterVersion"},
		"no subscriptions":            {pods: []string{anyPod}, versions: []string{rel("4.16.2")}, want: bundles + ", " + catalogs + ", " + graph + ", " + operands + ", " + second, note: "the Subscriptions of every cluster"},
		"by the source's tag":         {pods: []string{pod("q.io/app/tool:v1", "")}, want: everything + ", tool 1"},
		"by the mirror's tag":         {pods: []string{pod(host+"/ns/app/web:latest", "")}, want: "app 2, " + everything},
		"by a digest of the mirror":   {pods: []string{pod(in("app/tool", "tool 1"), "")}, want: everything + ", tool 1"},
		"what a tag was on":           {pods: []string{pod("q.io/app/web:latest", "docker-pullable://q.io/app/web@"+s.names["app 1"].Digest.String())}, want: "app 1, app 2, " + everything},
		"the image of a platform":     {pods: []string{pod("q.io/app/web:latest", "q.io/app/web@"+s.names["child 1"].Digest.String())}, want: "app 1, app 2, " + everything[:strings.Index(everything, "graph")] + "child 1, " + everything[strings.Index(everything, "graph"):]},
		"a release that a pod runs":   {pods: []string{pod(in("openshift/release-images", "payload 4.16.1"), "")}, versions: []string{rel("4.16.2")}, subs: []string{subscription("etcd.v2.0.0")}, want: "bundle 2.0.0, " + graph + ", operand 2.0.0, " + releases},
		"one that a pod ran":          {pods: []string{strings.Replace(pod(in("openshift/release-images", "payload 4.16.1"), ""), "Running", "Succeeded", 1)}, versions: []string{rel("4.16.2")}, subs: []string{subscription("etcd.v2.0.0")}, want: "bundle 2.0.0, " + graph + ", operand 2.0.0, own 4.16.2, payload 4.16.1, payload 4.16.2, shared, signature 4.16.1, signature 4.16.2"},
		"a catalog that is served":    {pods: []string{pod(host+"/ns/redhat/index:v4.16", host+"/ns/redhat/index@"+s.names["catalog 1.0.0"].Digest.String())}, versions: []string{rel("4.16.2")}, subs: []string{subscription("etcd.v2.0.0")}, want: "bundle 2.0.0, " + catalogs + ", " + graph + ", operand 2.0.0, " + second},
	} {
		t.Run(name, func(t *testing.T) {
			q := Question{NoCluster: tc.without, Host: host, Receipts: s.bundles, Mirror: s}
			var f Files
			for _, kind := range []struct {
				to     *[]string
				bodies []string
			}{{&f.Pods, tc.pods}, {&f.ClusterVersions, tc.versions}, {&f.Subscriptions, tc.subs}} {
				for _, body := range kind.bodies {
					*kind.to = append(*kind.to, write(t, body))
				}
			}
			var err error
			if !f.None() {
				if q.Clusters, err = Read(f); err != nil {
					t.Fatal(err)
				}
			}
			k, err := Keep(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.kept(k); got != tc.want {
				t.Errorf("stays: %s\nwant:  %s\nnotes: %q", got, tc.want, k.Notes())
			}
			if notes := strings.Join(k.Notes(), "\n"); !strings.Contains(notes, tc.note) || tc.note == "" && strings.Contains(notes, " stay: ") && !strings.Contains(tc.want, everything[len(bundles):]) && !strings.Contains(tc.want, "child") {
				t.Errorf("notes: %q, want %q", k.Notes(), tc.note)
			}
		})
	}
}

// TestReasons says why, and which tags are in use.
func TestReasons(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, err := Read(Files{Pods: []string{write(t, pod("q.io/app/web:latest", ""))}, ClusterVersions: []string{write(t, clusterVersion("4.16.1", s.names["payload 4.16.1"].Digest))}, Subscriptions: []string{write(t, subscription("etcd.v1.0.0"))}})
	if err != nil {
		t.Fatal(err)
	}
	k, err := Keep(t.Context(), Question{Clusters: c, Host: host, Receipts: s.bundles, Mirror: s})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[[2]string]string{
		{"ns/openshift/release", "own 4.16.1"}:              "release 4.16.1 of ",
		{"ns/etcd/operand", "operand 1.0.0"}:                "operator etcd.v1.0.0 (installed)",
		{"ns/app/web", "app 2"}:                             "pod ns/p",
		{"ns/openshift/graph-image", "graph 2"}:             "the graph image",
		{"ns/openshift/release-images", "signature 4.16.1"}: "it is attached to what stays",
		{"ns/app/web", "app 1"}:                             "",
	} {
		if got := k.Digest(at[0], s.names[at[1]].Digest); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
	if got := k.Tag("ns/app/web", "latest"); got != "pod ns/p" {
		t.Errorf("the tag: %q", got)
	}
	if got := k.Tag("ns/app/tool", "v1"); got != "" {
		t.Errorf("another tag: %q", got)
	}
	if notes := strings.Join(k.Notes(), "\n"); !strings.Contains(notes, `all pods in the files are of the namespace "ns"`) {
		t.Errorf("notes: %q", notes)
	}
	s.fail = errors.New("the registry is away")
	if _, err := Keep(t.Context(), Question{Clusters: c, Host: host, Receipts: s.bundles, Mirror: s}); !errors.Is(err, s.fail) {
		t.Errorf("a registry that is away: %v", err)
	}
}

// TestOneRepository has releases in one repository, as oc mirrors them.
func TestOneRepository(t *testing.T) {
	t.Parallel()
	s := &site{Content: ocitest.New(5), there: map[string]oci.Descriptor{}, names: map[string]oci.Descriptor{},
		place: oci.Mirror{Host: host, Shared: oci.Shared{Repository: "ocp/release", Paths: [2]string{manifests.PathRelease, manifests.PathComponents}}}}
	shared := s.image()
	for _, v := range []string{"4.16.1", "4.16.10", "4.16.1-rc.1"} {
		s.bundle()
		s.release(t, v, shared)
	}
	c, err := Read(Files{Pods: []string{write(t, pod(host+"/ocp/release@"+s.names["own 4.16.10"].Digest.String(), ""))}, ClusterVersions: []string{write(t, clusterVersion("4.16.1", s.names["payload 4.16.1"].Digest))}})
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []bool{false, true} {
		if gone { // what receipts say is enough
			delete(s.there, host+"/ocp/release@"+s.names["payload 4.16.1"].Digest.String())
		}
		k, err := Keep(t.Context(), Question{Clusters: c, Host: host, Receipts: s.bundles, Mirror: s})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := s.kept(k), "own 4.16.1, own 4.16.10, payload 4.16.1, shared, signature 4.16.1"; got != want {
			t.Errorf("stays: %s, want %s; %q", got, want, k.Notes())
		}
	}
}

// TestReadFaults names each file, and none of what is in it.
func TestReadFaults(t *testing.T) {
	t.Parallel()
	good, bad := write(t, pod("q.io/a:1", "")), write(t, "kind: Secret\ndata: {token: dont-tell}\n")
	_, err := Read(Files{Pods: []string{good, bad}, ClusterVersions: []string{good}, Subscriptions: []string{filepath.Join(t.TempDir(), "gone"), t.TempDir()}})
	if err == nil || strings.Contains(err.Error(), "dont-tell") {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"read " + bad + ": there is no pod in it", "read " + good + ": there is no ClusterVersion in it", "gone: no such file", "a must-gather has the pods of the platform alone"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	var file *FileError
	if !errors.As(err, &file) || !file.Permanent() || !strings.Contains(file.Hint(), "oc get") {
		t.Errorf("%#v", file)
	}
}
