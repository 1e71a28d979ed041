package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
)

// mirrored is a mirror for tests: rules, and the images that it has, by place and tag or digest.
type mirrored struct {
	objects []rules.Object
	has     map[string]bool
	away    map[string]bool // images of which nobody knows
	arch    map[string][]string
	picks   map[string][]Manifest

	mu    sync.Mutex
	asked map[string]int
}

const mirrorHost = "m.example:5000"

// mirrorOf has rules of a kind for each repository of references, and their images.
func mirrorOf(kind rules.Kind, refs ...string) *mirrored {
	m := &mirrored{has: map[string]bool{}, away: map[string]bool{}, arch: map[string][]string{}, asked: map[string]int{}}
	sources := map[string]bool{}
	for _, r := range refs {
		ref, err := oci.ParseRef(r)
		if err != nil {
			panic(err)
		}
		sources[ref.Name()] = true
		m.has[strings.Replace(r, ref.Registry, mirrorHost, 1)] = true
	}
	o := rules.Object{Kind: kind, Name: "x"}
	for _, s := range slices.Sorted(maps.Keys(sources)) {
		_, path, _ := strings.Cut(s, "/")
		o.Rules = append(o.Rules, rules.Rule{Source: s, Mirrors: []string{mirrorHost + "/" + path}})
	}
	m.objects = append(m.objects, o)
	return m
}

func (m *mirrored) nodes() *rules.Nodes { return rules.Applied(m.objects, nil, nil) }

func (m *mirrored) find(_ context.Context, image oci.Ref, _, _ []string) (Answer, error) {
	m.mu.Lock()
	m.asked[image.String()]++
	m.mu.Unlock()
	if m.away[image.String()] {
		return Answer{}, errors.New("it does not answer")
	}
	places := m.nodes().PullTag(image.Name())
	if image.Digest != "" {
		places = m.nodes().Pull(image.Name())
	}
	var a Answer
	for _, p := range places {
		host, path, _ := strings.Cut(p, "/")
		at := oci.Ref{Registry: host, Repository: path, Tag: image.Tag, Digest: image.Digest}.String()
		if host == mirrorHost && m.has[at] {
			a.Served, a.Digest = p, image.Digest
			a.Platforms = m.arch[image.String()]
			a.Manifests = m.picks[image.String()]
			return a, nil
		}
		if host == mirrorHost {
			a.Tried = append(a.Tried, Try{p, "404"})
		}
	}
	return a, nil
}

func (m *mirrored) question(s *cluster.State) Question {
	return Question{Cluster: s, Rules: m.nodes(), Mirror: Mirror{Find: m.find}, Inside: func(host string) bool { return host == mirrorHost }, Parallel: 4}
}

func hex(i int) string { return digest.FromString(fmt.Sprint(i)).String() }

func readCluster(t testing.TB, objects ...string) *cluster.State {
	t.Helper()
	s, err := cluster.Read("one", strings.NewReader("---\n"+strings.Join(objects, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// podOf is a running pod of a Deployment with one container.
func podOf(name, image, more string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %s-77-x, namespace: shop, labels: {pod-template-hash: '77'}, ownerReferences: [{kind: ReplicaSet, name: %[1]s-77, controller: true}]}, spec: {nodeName: n1, containers: [{name: c, image: '%[2]s'%[3]s}]}, status: {phase: Running, containerStatuses: [{name: c, imageID: 'q.io/shop/%[1]s@%[4]s'}]}}", name, image, more, hex(1))
}

func said(list []Workload) (out []string) {
	for _, w := range list {
		line := fmt.Sprintf("%s/%s: %s", strings.ToLower(w.Kind), w.Name, w.Why)
		if w.Stays {
			line += ", stays"
		}
		out = append(out, line)
	}
	return out
}

// TestWorkloads: each reason for which a container would not start again is found, and no other.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	byDigest, byTag := "q.io/shop/a@"+hex(1), "q.io/shop/a:1"
	amd := "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {nodeInfo: {architecture: arm64}}}"
	for name, tc := range map[string]struct {
		mirror  *mirrored
		objects []string
		change  func(m *mirrored)
		want    []string
		detail  string
	}{
		"there":                          {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", byDigest, "")}, nil, nil, ""},
		"missing":                        {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", byDigest, "")}, func(m *mirrored) { clear(m.has) }, []string{"deployment/a: missing"}, "m.example:5000/shop/a: 404"},
		"missing, on the node":           {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", byDigest, ", imagePullPolicy: IfNotPresent")}, func(m *mirrored) { clear(m.has) }, []string{"deployment/a: missing, stays"}, ""},
		"never pulled":                   {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", byDigest, ", imagePullPolicy: Never")}, func(m *mirrored) { clear(m.has) }, nil, ""},
		"missing, pulled again":          {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", byDigest, ", imagePullPolicy: Always")}, func(m *mirrored) { clear(m.has) }, []string{"deployment/a: missing"}, ""},
		"a tag, rules for digests":       {mirrorOf(rules.ContentSource, byTag), []string{podOf("a", byTag, "")}, nil, []string{"deployment/a: byTag"}, "q.io/shop/a@" + hex(1)},
		"a tag, rules for tags":          {mirrorOf(rules.TagMirrors, byTag), []string{podOf("a", byTag, "")}, nil, nil, ""},
		"a tag and a digest":             {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", byTag+"@"+hex(1), "")}, nil, nil, ""},
		"no rule":                        {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("b", "other.io/b@"+hex(2), "")}, nil, []string{"deployment/b: noRule"}, "nodes ask other.io itself"},
		"in the mirror itself":           {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", mirrorHost+"/shop/a@"+hex(1), "")}, nil, nil, ""},
		"not in the mirror itself":       {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", mirrorHost+"/shop/a:9", "")}, nil, []string{"deployment/a: missing"}, ""},
		"the cluster's own registry":     {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", "image-registry.openshift-image-registry.svc:5000/shop/a@"+hex(1), "")}, nil, nil, ""},
		"a short name":                   {mirrorOf(rules.TagMirrors, "q.io/shop/a:latest"), []string{podOf("a", "a", "")}, nil, nil, ""},
		"no name":                        {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", "q.io/UPPER/x:1", "")}, nil, []string{"deployment/a: unnamed"}, ""},
		"another architecture":           {mirrorOf(rules.DigestMirrors, byDigest), []string{amd, podOf("a", byDigest, "")}, func(m *mirrored) { m.arch[byDigest] = []string{"linux/amd64"} }, []string{"deployment/a: architecture"}, "its nodes are arm64, and there is only linux/amd64 at m.example:5000/shop/a"},
		"an architecture with a variant": {mirrorOf(rules.DigestMirrors, byDigest), []string{amd, podOf("a", byDigest, "")}, func(m *mirrored) { m.arch[byDigest] = []string{"linux/amd64", "linux/arm64/v8"} }, nil, ""},
		"a CronJob between two runs":     {mirrorOf(rules.DigestMirrors, byDigest), []string{"{apiVersion: batch/v1, kind: CronJob, metadata: {name: night, namespace: shop}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: 'q.io/shop/a@" + hex(9) + "'}]}}}}}}"}, nil, []string{"cronjob/night: missing"}, ""},
		"a Deployment and its pods":      {mirrorOf(rules.DigestMirrors, byDigest), []string{podOf("a", byDigest, ""), "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: shop}, spec: {template: {spec: {containers: [{name: c, image: '" + byDigest + "'}]}}}}"}, func(m *mirrored) { clear(m.has) }, []string{"deployment/a: missing"}, ""},
		"a volume":                       {mirrorOf(rules.TagMirrors, "q.io/models/m:1"), []string{"{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, spec: {volumes: [{name: v, image: {reference: 'q.io/models/m:2'}}]}}"}, nil, []string{"pod/p: missing"}, ""},
		"a catalog's pod":                {mirrorOf(rules.DigestMirrors, byDigest), []string{"{apiVersion: v1, kind: Pod, metadata: {name: redhat-operators-x, namespace: openshift-marketplace, ownerReferences: [{kind: CatalogSource, name: redhat-operators, controller: true}]}, spec: {containers: [{name: registry-server, image: '" + byTag + "', imagePullPolicy: Always}]}, status: {phase: Running}}"}, nil, nil, ""},
		"one architecture is away": {mirrorOf(rules.DigestMirrors, byDigest), []string{amd, podOf("a", byDigest, ""), "{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop}, spec: {nodeSelector: {kubernetes.io/arch: amd64}, containers: [{name: c, image: '" + byDigest + "'}]}}"}, func(m *mirrored) {
			m.picks = map[string][]Manifest{byDigest: {{Arch: "amd64"}, {Arch: "arm64", Wrong: "gone"}}}
		}, []string{"deployment/a: missing"}, "gone"},
		"one architecture is not there": {mirrorOf(rules.DigestMirrors, byDigest), []string{amd, podOf("a", byDigest, ""), "{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: shop}, spec: {nodeSelector: {kubernetes.io/arch: amd64}, containers: [{name: c, image: '" + byDigest + "'}]}}"}, func(m *mirrored) { m.arch[byDigest] = []string{"linux/amd64"} }, []string{"deployment/a: architecture"}, "its nodes are arm64"},
		"a Task":                        {mirrorOf(rules.DigestMirrors, byDigest), []string{"{apiVersion: tekton.dev/v1, kind: Task, metadata: {name: t, namespace: shop}, spec: {params: [{name: tool, default: 'other.io/tool:1'}, {name: all, default: [x]}, {name: base}], steps: [{name: a, image: $(params.tool)}, {name: b, image: $(params.base)}]}}"}, nil, []string{"task/t: noRule"}, "no rule covers other.io/tool"},
		"only for a while":              {mirrorOf(rules.DigestMirrors, byDigest), []string{"{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}, spec: {containers: [{name: c, image: '" + byDigest + "'}], ephemeralContainers: [{name: debug, image: 'other.io/tools:1'}]}, status: {phase: Running}}"}, nil, nil, ""},
		"on Windows":                    {mirrorOf(rules.DigestMirrors, byDigest), []string{"{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {nodeInfo: {architecture: amd64, operatingSystem: windows}}}", podOf("a", "other.io/x:1", "")}, nil, nil, ""},
		"for Windows":                   {mirrorOf(rules.DigestMirrors, byDigest), []string{"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: shop}, spec: {template: {spec: {nodeSelector: {kubernetes.io/os: windows}, containers: [{name: c, image: 'other.io/x:1'}]}}}}"}, nil, nil, ""},
		"ended":                         {mirrorOf(rules.DigestMirrors, byDigest), []string{strings.Replace(podOf("a", "other.io/x:1", ""), "Running", "Succeeded", 1)}, nil, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.change != nil {
				tc.change(tc.mirror)
			}
			r, err := Workloads(t.Context(), tc.mirror.question(readCluster(t, tc.objects...)))
			if err != nil {
				t.Fatal(err)
			}
			if got := said(r.Findings); !slices.Equal(got, tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			if tc.detail != "" && !strings.Contains(r.Findings[0].Detail, tc.detail) {
				t.Errorf("%s does not say %s", r.Findings[0].Detail, tc.detail)
			}
			for image, n := range tc.mirror.asked {
				if n > 1 || strings.HasPrefix(image, "other.io") {
					t.Errorf("%s was asked for %d times", image, n)
				}
			}
		})
	}
}

// TestWorkloadsUnknown: where the mirror does not answer, nobody says that an image is missing; pull
// secrets of pods are named, and a run that is stopped ends.
func TestWorkloadsUnknown(t *testing.T) {
	t.Parallel()
	a, b := "q.io/shop/a@"+hex(1), "q.io/shop/b@"+hex(2)
	m := mirrorOf(rules.DigestMirrors, a, b)
	m.away[b] = true
	s := readCluster(t, strings.Replace(podOf("a", a, ""), "nodeName: n1,", "imagePullSecrets: [{name: vendor}],", 1), podOf("b", b, ""))
	r, err := Workloads(t.Context(), m.question(s))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) > 0 || len(r.Unjudged) != 1 || r.Unjudged[0].Used != "shop/deployment/b" || len(r.Secrets) != 1 || !strings.Contains(strings.Join(r.Notes, "\n"), "pull secrets of their own for 1 image") {
		t.Errorf("%+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Workloads(ctx, m.question(s)); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// manyPods are pods of Deployments, each with an image of some; the rest of a pod is as real ones have it.
func manyPods(pods, images int) *strings.Reader {
	var b strings.Builder
	b.WriteString(`{"apiVersion":"v1","kind":"List","items":[`)
	for i := range pods {
		if i > 0 {
			b.WriteString(",")
		}
		app := i / 4
		fmt.Fprintf(&b, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"app%d-77-%d","namespace":"ns%d","labels":{"pod-template-hash":"77"},"ownerReferences":[{"kind":"ReplicaSet","name":"app%d-77","controller":true}]},"spec":{"nodeName":"n%d","containers":[`, app, i, app%50, app, i%30)
		for c := range 2 {
			if c > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, `{"name":"c%d","image":"q.io/apps/r%d@%s","imagePullPolicy":"IfNotPresent","env":[{"name":"X","value":"%s"}]}`, c, (2*app+c)%images, hex((2*app+c)%images), strings.Repeat("v", 500))
		}
		b.WriteString(`]},"status":{"phase":"Running"}}`)
	}
	b.WriteString("]}")
	return strings.NewReader(b.String())
}

// TestManyPods: 5,000 pods of some 300 images are read and judged within the time that the command has,
// each image asked for once.
func TestManyPods(t *testing.T) {
	t.Parallel()
	const pods, images = 5000, 300
	var refs []string
	for i := range images {
		refs = append(refs, fmt.Sprintf("q.io/apps/r%d@%s", i, hex(i)))
	}
	m := mirrorOf(rules.DigestMirrors, refs...)
	for at := range m.has {
		if strings.Contains(at, "/r7@") {
			delete(m.has, at)
		}
	}
	in := manyPods(pods, images)
	start := time.Now()
	s, err := cluster.Read("big", in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Workloads(t.Context(), m.question(s))
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%v", took)
	}
	want := 0
	for app := range pods / 4 {
		for c := range 2 {
			if (2*app+c)%images == 7 {
				want++
			}
		}
	}
	if len(r.Findings) != want || r.Images != images || len(m.asked) != images {
		t.Errorf("%d findings, want %d; %d images, %d asked for", len(r.Findings), want, r.Images, len(m.asked))
	}
}

// realCluster reads the pods of a real cluster.
func realCluster(t *testing.T) *cluster.State {
	t.Helper()
	const file = "../../../../shared/data/cluster/sno-ocp-4.13.0-ec.4/pods-A.json"
	f, err := os.Open(file)
	if err != nil {
		t.Skipf("the data of real clusters is not there: %v", err)
	}
	defer f.Close()
	s, err := cluster.Read("sno", f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSeeded: on the pods of a real cluster nothing is wrong with a mirror that has all of it, and what is
// taken from it, images and rules at random, is found with exactly the containers that use it.
func TestSeeded(t *testing.T) {
	t.Parallel()
	s := realCluster(t)
	uses := map[string][]string{} // image -> containers
	var refs []string
	for _, one := range s.Starts {
		if one.Kind == "CatalogSource" {
			continue
		}
		ref, err := named(one)
		if err != nil {
			t.Fatalf("%+v: %v", one, err)
		}
		uses[ref.String()] = append(uses[ref.String()], one.Workload()+" "+one.Container)
	}
	refs = slices.Sorted(maps.Keys(uses))
	intact := func() *mirrored {
		m := mirrorOf(rules.DigestMirrors, refs...)
		m.objects = append(m.objects, rules.Object{Kind: rules.TagMirrors, Name: "t", Rules: m.objects[0].Rules})
		return m
	}
	found := func(m *mirrored) []string {
		r, err := Workloads(t.Context(), m.question(s))
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, w := range r.Findings {
			list = append(list, w.Namespace+"/"+strings.ToLower(w.Kind)+"/"+w.Name+" "+w.Container+": "+string(w.Why))
		}
		slices.Sort(list)
		return list
	}
	if got := found(intact()); len(got) > 0 || len(refs) < 50 {
		t.Fatalf("of %d images of an intact mirror: %q", len(refs), got)
	}
	const seed, rounds = 14, 60
	random := rand.New(rand.NewPCG(seed, seed))
	for round := range rounds {
		m, want := intact(), []string(nil)
		gone := map[string]Why{}
		for range 1 + random.IntN(4) {
			ref := refs[random.IntN(len(refs))]
			parsed, _ := oci.ParseRef(ref)
			if random.IntN(3) > 0 {
				delete(m.has, strings.Replace(ref, parsed.Registry, mirrorHost, 1))
				if gone[ref] == "" {
					gone[ref] = Missing
				}
				continue
			}
			tags := random.IntN(2) == 0 // only the rules for tags go, or all
			for i := range m.objects {
				if o := &m.objects[i]; !tags || o.Kind == rules.TagMirrors {
					o.Rules = slices.DeleteFunc(slices.Clone(o.Rules), func(r rules.Rule) bool { return r.Source == parsed.Name() })
				}
			}
			for _, other := range refs {
				p, _ := oci.ParseRef(other)
				switch {
				case p.Name() != parsed.Name(), gone[other] == NoRule:
				case !tags:
					gone[other] = NoRule
				case p.Digest == "" && gone[other] != NoRule:
					gone[other] = ByTag
				}
			}
		}
		for ref, why := range gone {
			for _, use := range uses[ref] {
				want = append(want, use+": "+string(why))
			}
		}
		slices.Sort(want)
		if got := found(m); !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d: got\n%s\nwant\n%s", seed, round, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
