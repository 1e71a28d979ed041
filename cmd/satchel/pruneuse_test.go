package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// twoWeeks is a mirror that got a release, an operator and an image in each of two weeks.
type twoWeeks struct {
	*world
	mirror string
	names  map[string]string // what tests call things, by REPOSITORY@DIGEST or REPOSITORY
	roots  map[string]oci.Descriptor
}

func newTwoWeeks(t *testing.T) *twoWeeks {
	t.Helper()
	c, source := ocitest.New(17), registrytest.Start(t).Host
	s := &twoWeeks{world: newWorld(t), mirror: registrytest.Start(t).Host + "/ns", names: map[string]string{}, roots: map[string]oci.Descriptor{}}
	put := func(name, repo, tag, mirrored string, d oci.Descriptor) string {
		push(t, c, d, source, repo, tag)
		s.names["ns/"+mirrored+"@"+d.Digest.String()], s.roots[name] = name, d
		return source + "/" + repo + "@" + d.Digest.String()
	}
	image := func() oci.Descriptor { return c.Image(false, c.Layer(3000, ocitest.LayerGzip)) }
	shared := put("shared", "ocp/art", "shared", "openshift/release", image())
	for _, v := range []string{"1", "2"} {
		payload, err := c.Payload("4.12."+v, "amd64", map[string]string{"shared": shared, "own": put("own "+v, "ocp/art", "own"+v, "openshift/release", image())})
		if err != nil {
			t.Fatal(err)
		}
		put("payload "+v, "ocp/rel", "v"+v, "openshift/release-images", payload)
		left, right := image(), image()
		app := c.Index(false, left, right)
		put("app "+v, "team/app", "v"+v, "team/app", app)
		s.roots["part "+v] = left
		for _, d := range []oci.Descriptor{left, right} {
			s.names["ns/team/app@"+d.Digest.String()] = "app " + v + " part"
		}
		put("sig "+v, "team/app", "sha256-"+app.Digest.Encoded()+".sig", "team/app", image())
		docs := fmt.Sprintf(`{"schema":"olm.package","name":"acme","defaultChannel":"a"}
{"schema":"olm.channel","package":"acme","name":"a","entries":[{"name":"acme.v%[1]s.0.0"}]}
{"schema":"olm.bundle","package":"acme","name":"acme.v%[1]s.0.0","image":%[2]q,"properties":[{"type":"olm.package","value":{"packageName":"acme","version":"%[1]s.0.0"}}],"relatedImages":[{"name":"operand","image":%[3]q}]}
`, v, put("bundle "+v, "acme/bundle", v, "acme/bundle", image()), put("operand "+v, "acme/operand", v, "acme/operand", image()))
		catalog, err := c.Catalog("amd64", map[string][]byte{"acme/catalog.json": []byte(docs)})
		if err != nil {
			t.Fatal(err)
		}
		push(t, c, catalog, source, "acme/catalog", "v1")
		s.imageset(fmt.Sprintf("  platform:\n    release: %[1]s/ocp/rel:v%[2]s\n  operators:\n  - catalog: %[1]s/acme/catalog:v1\n  additionalImages:\n  - name: %[1]s/team/app:v%[2]s\n", source, v))
		s.drive = filepath.Join(s.dir, "drive-"+v)
		s.run(s.pack()...).want(exitOK)
		s.run(s.unpack(s.mirror, "--allow-shrink")...).want(exitOK)
	}
	s.names["ns/acme/catalog"] = "catalog 1" // that of the second week is kept
	return s
}

func (s *twoWeeks) file(name, body string) string {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return file
}

func (s *twoWeeks) prune(more ...string) result {
	s.t.Helper()
	return s.run(append([]string{"prune", "--to", s.mirror, "--keep", "1", "--tls-verify=false"}, more...)...)
}

// going lists what would go.
func (s *twoWeeks) going(more ...string) (names, stderr string) {
	s.t.Helper()
	r := s.prune(append(more, "--dry-run", "-o", "json")...).want(exitOK)
	var out struct {
		Manifests []struct {
			Repository string
			Digest     digest.Digest
			State      string
		}
		Space []string
	}
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil {
		s.t.Fatalf("%v\n%s", err, r.stdout)
	}
	var list []string
	for _, m := range out.Manifests {
		if m.State != "goes" {
			continue
		}
		name := s.names[m.Repository+"@"+m.Digest.String()]
		if name == "" {
			name = s.names[m.Repository]
		}
		list = append(list, name)
	}
	if len(list) > 0 && len(out.Space) == 0 {
		s.t.Error("nothing is said of the space")
	}
	slices.Sort(list)
	return strings.Join(list, ", "), r.stderr
}

// TestPruneUse deletes of releases, catalogs and operators only what the clusters do not use,
// and of other images what pods do not use.
func TestPruneUse(t *testing.T) {
	t.Parallel()
	s := newTwoWeeks(t)
	pods := func(image string) string {
		return s.file("pods.yaml", "apiVersion: v1\nitems:\n- kind: Pod\n  metadata: {name: p, namespace: team}\n  spec: {containers: [{image: '"+image+"', env: [{name: TOKEN, value: "+s.secret+"}]}]}\nkind: List\n")
	}
	version := func(v string) string {
		return s.file("version.json", fmt.Sprintf(`{"kind":"ClusterVersion","status":{"desired":{"version":"4.12.%[1]s","image":"q.io/rel@%[2]s"},"history":[{"state":"Completed","version":"4.12.%[1]s","image":"q.io/rel@%[2]s"}]}}`, v, s.roots["payload "+v].Digest))
	}
	subs := func(v string) string {
		return s.file("subs.yaml", "kind: Subscription\napiVersion: operators.coreos.com/v1alpha1\nspec: {name: acme}\nstatus: {installedCSV: acme.v"+v+".0.0}\n")
	}
	const app = "app 1, app 1 part, app 1 part"
	const old = app + ", bundle 1, catalog 1, operand 1, own 1, payload 1, sig 1"
	other := "docker.io/library/busybox:1"
	for _, tc := range []struct{ what, want, says string }{
		{"", app + ", sig 1", "nothing says which clusters use this mirror"},
		{"pods", app + ", sig 1", "there is no file with a ClusterVersion"},
		{"old", app + ", catalog 1, sig 1", ""},
		{"new", old, ""},
		{"version", app + ", bundle 1, catalog 1, operand 1, own 1, payload 1, sig 1", "--cluster-version 4.12.2 says which release runs"},
		{"older version", app + ", bundle 1, catalog 1, operand 1, sig 1", ""},
		{"new used", "bundle 1, catalog 1, operand 1, own 1, payload 1", ""},
		{"none", old, "nothing is known of what clusters use"},
		{"named", app + ", sig 1", "nothing is known of what clusters use"},
	} {
		var flags []string
		switch tc.what {
		case "pods":
			flags = []string{"--from-pods", pods(other)}
		case "old":
			flags = []string{"--from-pods", pods(other), "--cluster-version", version("1"), "--subscriptions", subs("1")}
		case "version":
			flags = []string{"--from-pods", pods(other), "--cluster-version", "4.12.2", "--subscriptions", subs("2")}
		case "older version":
			flags = []string{"--from-pods", pods(other), "--cluster-version", "4.12.0", "--subscriptions", subs("2")}
		case "new", "new used":
			image := other
			if tc.what == "new used" {
				image = s.mirror + "/team/app@" + s.roots["part 1"].Digest.String() // as the node says it
			}
			flags = []string{"--from-pods", pods(image), "--cluster-version", version("2"), "--subscriptions", subs("2")}
		case "none":
			flags = []string{"--no-cluster"}
		case "named":
			flags = []string{"--no-cluster", "-c", s.file("delete.yaml", "kind: DeleteImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\ndelete: {additionalImages: [{name: '"+s.mirror+"/team/app:v1'}]}\n")}
		}
		got, said := s.going(flags...)
		if got != tc.want || !strings.Contains(said, tc.says) {
			t.Errorf("%q: %s goes, want %s; says\n%s", tc.what, got, tc.want, said)
		}
	}
	s.prune("--from-pods", s.file("pods.yaml", "NAMESPACE  NAME  READY\nteam  p  1/1\n")).want(exitUsage).says("it is a table", "oc get pods -A -o yaml")
	s.prune("--from-pods", s.file("secret.yaml", "kind: Secret\nstringData: {a: "+s.secret+"}\n")).want(exitUsage).says("there is no pod in it")
	s.prune("--from-pods", pods(other), "--no-cluster").want(exitUsage).says("leave out one of the two")
	s.prune("--cluster-version", "4.12").want(exitUsage).says("--cluster-version 4.12: it is no version", "such as 4.18.21")
	s.prune("--no-cluster", "-c", s.config).want(exitUsage).says("only a DeleteImageSetConfiguration says what goes from it")

	s.prune("--yes", "--from-pods", pods(other), "--cluster-version", version("2"), "--subscriptions", subs("2")).want(exitOK).says("deleted: 9 manifests", "never with -m", "two weeks by default")
	s.run(s.unpack(s.mirror, "--dry-run")...).want(exitOK).says("nothing to do")
	if got, _ := s.going("--no-cluster"); got != "" {
		t.Errorf("afterwards %s goes", got)
	}
}
