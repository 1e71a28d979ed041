package podlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/objects"
)

// onePod uses an image in every way.
const onePod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n","annotations":{"a":"line\n- one\n---\nitems:\n"}},
"spec":{"volumes":[{"name":"v","image":{"reference":"q.io/volume:v"}},{"name":"w","emptyDir":{}}],
"initContainers":[{"name":"i","image":"q.io/init:v"}],"containers":[{"name":"c","image":"q.io/main:v"}],"ephemeralContainers":[{"name":"e","image":"q.io/debug:v"}]},
"status":{"initContainerStatuses":[{"name":"i","imageID":"q.io/init@i"}],"containerStatuses":[{"name":"x","imageID":"no"},{"name":"c","image":"other","imageID":"q.io/main@c"}],
"ephemeralContainerStatuses":[{"name":"e","imageID":"q.io/debug@e"}]}}`

var onePodUses = []Use{
	{"n", "p", "i", "q.io/init:v", "q.io/init@i"},
	{"n", "p", "c", "q.io/main:v", "q.io/main@c"},
	{"n", "p", "e", "q.io/debug:v", "q.io/debug@e"},
	{"n", "p", "volume v", "q.io/volume:v", ""},
}

func asYAML(t *testing.T, in string) string {
	t.Helper()
	out, err := yaml.JSONToYAML([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func indented(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

func TestRead(t *testing.T) {
	second := strings.ReplaceAll(strings.ReplaceAll(onePod, `"p"`, `"p2"`), `"kind":"Pod",`, "")
	list := `{"apiVersion":"v1","items":[` + onePod + "," + second + `],"kind":"List","metadata":{"resourceVersion":""}}`
	listYAML := asYAML(t, list)
	spread := "kind: PodList\nitems:\n\n# a remark\n" + indented(asYAML(t, "["+onePod+","+second+"]")) + "\nmetadata: {}\n"
	for name, tc := range map[string]struct {
		in   string
		pods int
	}{
		"JSON":                  {list, 2},
		"JSON, one pod":         {onePod, 1},
		"JSON, one after other": {onePod + "\n" + list + "\n", 3},
		"JSON, spaces":          {"\n\t " + onePod, 1},
		"JSON, none":            {`{"items":[],"kind":"PodList"}`, 0},
		"JSON, null":            {`{"items":null,"kind":"PodList"}`, 0},
		"YAML":                  {listYAML, 2},
		"YAML, Windows lines":   {strings.ReplaceAll(listYAML, "\n", "\r\n"), 2},
		"YAML, must-gather":     {"---\n" + listYAML, 2},
		"YAML, indented":        {spread, 2},
		"YAML, one pod":         {"---\n" + asYAML(t, onePod), 1},
		"YAML, documents":       {asYAML(t, onePod) + "---\n" + listYAML + "---\n" + asYAML(t, second) + "...\n", 4},
		"YAML, none":            {"apiVersion: v1\nitems: []\nkind: List\n", 0},
		"YAML, on a line":       {"kind: List\nitems: [" + strings.ReplaceAll(onePod, "\n", " ") + "]\n", 1},
		"nothing":               {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var got []Use
			n, err := Read(strings.NewReader(tc.in), func(u Use) error { got = append(got, u); return nil })
			if err != nil || n != tc.pods || len(got) != tc.pods*len(onePodUses) {
				t.Fatalf("%d pods, %v: %+v", n, err, got)
			}
			for i := range got {
				if got[i].Pod == "p2" {
					got[i].Pod = "p"
				}
				if got[i] != onePodUses[i%len(onePodUses)] {
					t.Errorf("got %+v", got[i])
				}
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	const tooLarge = "one pod in it, or something else, has more than 16 MiB"
	huge := strings.Repeat("x", 2*objects.Max+1) // what was read ahead does not count
	for name, tc := range map[string]struct{ in, want string }{
		"no YAML":            {"a: [", "yaml"},
		"binary":             {"\x00\x01", "yaml"},
		"a list of values":   {`{"items":[1]}`, "cannot unmarshal"},
		"items of no list":   {`{"items":{}}`, "its items are no list"},
		"cut":                {`{"items":[{"kind":"Pod"},`, "EOF"},
		"cut in a pod":       {`{"items":[{"kind":"Po`, "EOF"},
		"cut after a key":    {`{"items":`, "EOF"},
		"deployments":        {`{"items":[{"kind":"Deployment"}]}`, `it has a "Deployment" and may have only pods`},
		"deployments, YAML":  {"items:\n- kind: Deployment\n", `it has a "Deployment"`},
		"one deployment":     {"kind: Deployment\n", `it has a "Deployment"`},
		"another list":       {`{"items":[],"kind":"DeploymentList"}`, `it is a "DeploymentList", no list of pods`},
		"another list, YAML": {"items:\nkind: DeploymentList\n", `no list of pods`},
		"an array":           {"[]", "neither a pod nor a list"},
		"two documents":      {`{"kind":"Pod"} 7`, "no JSON object"},
		"a large pod":        {`{"items":[{"kind":"Pod","x":"` + huge + `"}]}`, tooLarge},
		"a large remark":     {`{"x":"` + huge + `"}`, tooLarge},
		"a large line":       {"a: " + huge, tooLarge},
		"a large item":       {"items:\n- a: |\n" + strings.Repeat("    "+strings.Repeat("x", 1<<20)+"\n", 17), tooLarge},
		"a bomb":             {"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n", "excessive aliasing"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(tc.in), func(Use) error { return nil })
			if err == nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 1000 {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	enough := errors.New("enough")
	for _, in := range []string{onePod, "items:\n- " + strings.ReplaceAll(onePod, "\n", " ")} {
		if _, err := Read(strings.NewReader(in), func(Use) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("got %v", err)
		}
	}
}

// endless gives a head, the same item many times, and a tail.
func endless(head, item, tail string, times int) io.Reader {
	parts := []io.Reader{strings.NewReader(head)}
	for range times {
		parts = append(parts, strings.NewReader(item))
	}
	return io.MultiReader(append(parts, strings.NewReader(tail))...)
}

// TestReadMemory holds one pod at a time.
func TestReadMemory(t *testing.T) {
	pad := strings.Replace(onePod, `"line`, `"`+strings.Repeat("x", 100<<10), 1)
	const times = 120 // 12 MB
	item := "- " + strings.TrimSpace(strings.ReplaceAll(asYAML(t, pad), "\n", "\n  ")) + "\n"
	for name, in := range map[string]io.Reader{
		"JSON": endless(`{"items":[`+pad, ","+pad, `]}`, times-1),
		"YAML": endless("apiVersion: v1\nitems:\n", item, "kind: List\n", times),
	} {
		var most, before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		seen := 0
		n, err := Read(in, func(Use) error {
			if seen++; seen%120 == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most.HeapAlloc = max(most.HeapAlloc, m.HeapAlloc)
			}
			return nil
		})
		if err != nil || n != times {
			t.Fatalf("%s: %d pods, %v", name, n, err)
		}
		if held := int64(most.HeapAlloc) - int64(before.HeapAlloc); held > 6<<20 {
			t.Errorf("%s: %d bytes are held", name, held)
		}
	}
}

func TestWalk(t *testing.T) {
	pod := func(ns, name string) string {
		return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":%q},"spec":{"containers":[{"name":"c","image":"q.io/x:v"}]}}`, name, ns)
	}
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, tc := range map[string]struct {
		base  string
		files fstest.MapFS
		want  string
	}{
		"must-gather": {"must-gather.local.1", fstest.MapFS{
			"quay-io-x/namespaces/a/core/pods.yaml":              file("items:\n- " + pod("a", "one") + "\n- " + pod("a", "two") + "\nkind: PodList\n"),
			"quay-io-x/namespaces/a/core/events.yaml":            file("kind: EventList\n"),
			"quay-io-x/namespaces/a/pods/one/one.yaml":           file(pod("a", "one")),
			"quay-io-x/namespaces/b/core/pods.yaml":              file("items: []\nkind: PodList\n"),
			"quay-io-x/namespaces/b/pods/one/one.yaml":           file("---\n" + asYAML(t, pod("b", "one"))),
			"quay-io-x/namespaces/b/pods/one/c/c/logs/x.yaml":    file("no: pod"),
			"quay-io-x/namespaces/b/apps/pods/x/deployment.yaml": file("kind: Deployment"),
			"quay-io-x/cluster-scoped-resources/core/nodes.yaml": file("kind: NodeList"),
			"quay-io-x/event-filter.html":                        file("<html>"),
		}, "a/one a/two b/one"},
		"one namespace of it": {"namespaces", fstest.MapFS{"c/core/pods.yaml": file("items:\n- " + pod("c", "one"))}, "c/one"},
		"Insights archive":    {"archive", fstest.MapFS{"config/pod/a/one.json": file(pod("a", "one")), "config/pod/a/logs/one.log": file(""), "config/version.json": file("{}")}, "a/one"},
		"its pods":            {"pods", fstest.MapFS{"a/one.json": file(pod("a", "one")), "a/two.json": file(pod("a", "two"))}, "a/one a/two"},
		"nothing":             {"x", fstest.MapFS{"readme.yaml": file("a: b")}, ""},
	} {
		var got []string
		n, err := Walk(tc.files, tc.base, func(u Use) error { got = append(got, u.Namespace+"/"+u.Pod); return nil })
		slices.Sort(got)
		if err != nil || n != len(got) || strings.Join(got, " ") != tc.want {
			t.Errorf("%s: got %d %q, %v", name, n, got, err)
		}
	}
	bad := fstest.MapFS{"namespaces/a/core/pods.yaml": file("a: [")}
	if _, err := Walk(bad, "x", func(Use) error { return nil }); err == nil || !strings.HasPrefix(err.Error(), "namespaces/a/core/pods.yaml: ") {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(onePod))
	f.Add([]byte("items:\n- kind: Pod\n-\n  metadata: {}\nkind: List\n---\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		uses := 0
		_, err := Read(bytes.NewReader(in), func(u Use) error {
			if uses++; u.Image == "" && u.ID == "" {
				t.Error("a use of nothing")
			}
			return nil
		})
		if err == nil && uses > len(in) {
			t.Errorf("%d uses in %d bytes", uses, len(in))
		}
	})
}
