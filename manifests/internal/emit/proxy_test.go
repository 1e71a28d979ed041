package emit

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// clusterOf makes a state of objects in JSON; asked are kinds that have none.
func clusterOf(t testing.TB, version string, asked []string, objects ...string) *cluster.State {
	t.Helper()
	var list []cluster.Object
	for _, body := range objects {
		var o struct {
			APIVersion, Kind string
			Metadata         struct {
				Name, Namespace string
				Labels          map[string]string
			}
		}
		must(t, json.Unmarshal([]byte(body), &o))
		list = append(list, cluster.Object{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name, Labels: o.Metadata.Labels, Body: json.RawMessage(body)})
	}
	s := cluster.NewState("a", list, asked...)
	s.Version = version
	return s
}

// pagesOf gives the files of one emission by name.
func pagesOf(t testing.TB, in emitInput, change func(*site.Site)) (files map[string]string, notes string) {
	t.Helper()
	inv, given := in.parse(t)
	if change != nil {
		change(&given)
	}
	made, list, err := Emit(inv, given)
	must(t, err)
	checkObjects(t.(*testing.T), made)
	files = map[string]string{}
	for _, f := range made {
		files[f.Name] = string(f.Body)
	}
	if !strings.Contains(files[handover.FileApply], "\nNothing to do: ") { // else some files are for no step
		checkCommands(t.(*testing.T), made)
	}
	return files, strings.Join(list, "\n")
}

func proxyOf(spec, status string) string {
	return fmt.Sprintf(`{"apiVersion":"config.openshift.io/v1","kind":"Proxy","metadata":{"name":"cluster"},"spec":{%s},"status":{%s}}`, spec, status)
}

// TestStepProxy: the step is there where nodes ask the mirror through a proxy, and where that is
// not known.
func TestStepProxy(t *testing.T) {
	t.Parallel()
	const both = `"httpProxy":"http://p:3128","httpsProxy":"http://p:3128"`
	for name, c := range map[string]struct {
		host, proxy string
		plain, want bool
	}{
		"not known":             {"m.corp.example:5000", "", false, true},
		"no proxy":              {"m.corp.example:5000", proxyOf("", ""), false, false},
		"not excepted":          {"m.corp.example:5000", proxyOf(both, both+`,"noProxy":".svc,10.0.0.0/16"`), false, true},
		"by name":               {"m.corp.example:5000", proxyOf(both, both+`,"noProxy":".svc,m.corp.example"`), false, false},
		"by name, with a space": {"m.corp.example:5000", proxyOf(both, both+`,"noProxy":".svc, m.corp.example"`), false, false},
		"by domain":             {"m.corp.example", proxyOf(both, both+`,"noProxy":".corp.example"`), false, false},
		"a domain of its parts": {"m.corp.example", proxyOf(both, both+`,"noProxy":"corp.example"`), false, false},
		"ends alike":            {"m.mycorp.example", proxyOf(both, both+`,"noProxy":"corp.example"`), false, true},
		"the domain itself":     {"corp.example", proxyOf(both, both+`,"noProxy":".corp.example"`), false, true},
		"everything":            {"m.corp.example", proxyOf(both, both+`,"noProxy":"*"`), false, false},
		"in a network":          {"10.0.3.4:5000", proxyOf(both, both+`,"noProxy":"10.0.0.0/16"`), false, false},
		"beside a network":      {"10.1.3.4:5000", proxyOf(both, both+`,"noProxy":"10.0.0.0/16"`), false, true},
		"a name, a network":     {"m.corp.example", proxyOf(both, both+`,"noProxy":"0.0.0.0/0"`), false, true},
		"IPv6 in a network":     {"[fd00::5]:5000", proxyOf(both, both+`,"noProxy":"fd00::/64"`), false, false},
		"only for http":         {"m.corp.example", proxyOf(`"httpProxy":"http://p:3128"`, `"httpProxy":"http://p:3128"`), false, false},
		"only for http, plain":  {"m.corp.example", proxyOf(`"httpProxy":"http://p:3128"`, `"httpProxy":"http://p:3128"`), true, true},
		"not taken up yet":      {"m.corp.example", proxyOf(both, ""), false, true},
	} {
		files, _ := pagesOf(t, emitInput{Mirror: c.host, Images: manyImages(1)}, func(s *site.Site) {
			s.PlainHTTP = c.plain
			if c.proxy != "" {
				s.Cluster = clusterOf(t, "", nil, c.proxy)
			}
		})
		page := files[handover.FileApply]
		if got := strings.Contains(page, "oc patch "+trust.ProxyObject); got != c.want {
			t.Errorf("%s: the step is there: %v, want %v", name, got, c.want)
		}
		first := strings.Index(page, "\n## 2. The cluster's proxy")
		if c.want && (first < 0 || !strings.Contains(page[first:], "reboots")) {
			t.Errorf("%s: it is not the first that changes something, or does not say what it does:\n%s", name, page)
		}
		if got := strings.Contains(files[handover.FileRestore], "noProxy"); got != c.want {
			t.Errorf("%s: the way back is there: %v, want %v", name, got, c.want)
		}
	}
}

// TestProxyOfSeveral: with several addresses, those that are not excepted are added; in a hosted
// cluster nothing is patched.
func TestProxyOfSeveral(t *testing.T) {
	t.Parallel()
	proxy := proxyOf(`"httpsProxy":"http://p:3128"`, `"httpsProxy":"http://p:3128","noProxy":"b.example"`)
	infra := `{"apiVersion":"config.openshift.io/v1","kind":"Infrastructure","metadata":{"name":"cluster"},"status":{"controlPlaneTopology":"External"}}`
	in := emitInput{Mirror: "m.example", Images: manyImages(1)}
	several := func(objects ...string) string {
		files, _ := pagesOf(t, in, func(s *site.Site) {
			for _, host := range []string{"a.example:1", "b.example:1", "c.example:1", "a.example:2"} {
				s.PullFrom = append(s.PullFrom, oci.Mirror{Host: host})
			}
			s.Cluster = clusterOf(t, "", nil, objects...)
		})
		return files[handover.FileApply]
	}
	page := several(proxy)
	if strings.Count(page, "case \",") != 2 || !strings.Contains(page, "`a.example` and `c.example`") {
		t.Errorf("other hosts:\n%s", page)
	}
	if page = several(proxy, infra); strings.Contains(page, "oc patch "+trust.ProxyObject) || !strings.Contains(page, `CONFIG="\"proxy\":{\"noProxy\":`) || !strings.Contains(page, "`a.example` and `c.example` in noProxy") {
		t.Errorf("a hosted cluster:\n%s", page)
	}
}

// TestNoProxyCommands runs what is to be pasted, and then the way back.
func TestNoProxyCommands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host, proxy, spec, status, want string
	}{
		"empty":        {"m.example", "http://p", "", ".svc", `{"spec":{"noProxy":"m.example"}}`},
		"kept":         {"m.example", "http://p", "a.example, b.example", "a.example,.svc, b.example", `{"spec":{"noProxy":"a.example, b.example,m.example"}}`},
		"there":        {"m.example", "http://p", "m.example", ".svc,m.example", ""},
		"a domain":     {"m.corp.example", "http://p", "", ".svc,.example", ""},
		"spaces":       {"m.corp.example", "http://p", "", ".svc, corp.example", ""},
		"a wildcard":   {"m.corp.example", "http://p", "", "*.corp.example", ""},
		"all":          {"m.corp.example", "http://p", "*", "*", ""},
		"ends alike":   {"m.mycorp.example", "http://p", "", ".svc,corp.example", `{"spec":{"noProxy":"m.mycorp.example"}}`},
		"no proxy":     {"m.example", "", "", "", ""},
		"set just now": {"m.example", "http://p", "m.example", ".svc", ""},
		"IPv6":         {"[fd00::5]:443", "http://p", "a.example", "a.example", `{"spec":{"noProxy":"a.example,fd00::5/128"}}`},
	} {
		e := newEmission(&handover.Handover{Site: site.Site{Mirror: oci.Mirror{Host: c.host}}})
		broken := strings.Replace(strings.Join(page.Chain(trust.AddNoProxy(e.trust.MirrorHosts())...), "\n"), "$(oc get "+trust.ProxyObject+" -o jsonpath='{.spec.noProxy}')", "$(false)", 1)
		if got := runWithProxy(t, "", broken, c.proxy, c.spec, c.status); !strings.HasPrefix(got, "STOP: ") {
			t.Errorf("%s: what noProxy has cannot be read, and it is replaced by %q", name, got)
		}
		got := runWithProxy(t, "", strings.Join(page.Chain(trust.AddNoProxy(e.trust.MirrorHosts())...), "\n"), c.proxy, c.spec, c.status)
		if got != c.want {
			t.Errorf("%s: patched %q, want %q", name, got, c.want)
		}
		if got == "" {
			continue
		}
		var patched struct{ Spec struct{ NoProxy string } }
		must(t, json.Unmarshal([]byte(got), &patched))
		p := page.New(false)
		e.Images = []oci.Image{{}}
		e.trust.RestoreProxy(p)
		back := runWithProxy(t, c.spec, strings.Split(string(p.Bytes()), "```")[1], c.proxy, patched.Spec.NoProxy, "")
		want := `{"spec":{"noProxy":"` + c.spec + `"}}`
		if c.spec == "" {
			want = `{"spec":{"noProxy":null}}`
		}
		if back != want {
			t.Errorf("%s: the way back patched %q, want %q", name, back, want)
		}
		// What stood there before the first run stays.
		if back := runWithProxy(t, patched.Spec.NoProxy, strings.Split(string(p.Bytes()), "```")[1], c.proxy, patched.Spec.NoProxy, ""); back != "" {
			t.Errorf("%s: the way back takes out what was there before: %q", name, back)
		}
	}
}

// runWithProxy runs commands with an oc that knows one proxy, and gives what it was to patch.
func runWithProxy(t *testing.T, before, commands, proxy, spec, status string) string {
	t.Helper()
	script := `oc() {
  case "$*" in
  *configmap*name) echo -n configmap/satchel-before ;;
  *configmap*) echo -n "$BEFORE_ALL" ;;
  *httpProxy*) echo -n "$PROXY_NOW" ;;
  *status.noProxy*) echo -n "$STATUS" ;;
  *spec.noProxy*) echo -n "$SPEC" ;;
  "patch ` + trust.ProxyObject + ` --type=merge -p "*) echo -n "${*: -1}" ;;
  esac
}
` + commands
	cmd := proctest.Command(t, "bash", "-c", script)
	cmd.Env = append(cmd.Environ(), "BEFORE_ALL="+before, "PROXY_NOW="+proxy, "SPEC="+spec, "STATUS="+status)
	out, err := cmd.CombinedOutput()
	if len(out) == 0 || strings.HasPrefix(string(out), "STOP: ") {
		err = nil // the last command is a test that fails where there is nothing to do
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
