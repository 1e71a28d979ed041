package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// enclave is a configuration of every kind of image, with what it is resolved from outside.
type enclave struct {
	*outside
	w      *world
	source string // the registry outside
	conf   string // that leads there
	graphs *graphServer
}

func newEnclave(t *testing.T) *enclave {
	t.Helper()
	o := newOutside(613)
	o.publish(t, ubiMinimal, o.content.IndexFor(true, []string{"amd64", "s390x"}, o.small(1<<10), o.first))
	e := &enclave{outside: o, w: newWorld(t), graphs: newGraphServer(t)}
	channelSet(t, o, e.graphs)
	data := graphTGZ(t, "", time.Unix(1700000000, 0))
	e.graphs.answers(func(w http.ResponseWriter, r *http.Request, _ int) bool {
		is := strings.HasSuffix(r.URL.Path, "/graph-data")
		if is {
			_, _ = w.Write(data) // the client may go away
		}
		return is
	})
	for _, name := range []string{"init", "web"} {
		o.publish(t, "quay.io/team/"+name+":v1", o.small(2<<10))
	}
	e.week(t, "1.0.0")
	helm := serveHTTP(t, &chartServer{files: map[string][]byte{"/real/index.yaml": []byte("entries:\n  web:\n  - {name: web, version: 1.0.0, urls: [web.tgz]}\n"), "/real/web.tgz": chartTGZ(t, "web", "1.0.0")}})
	e.w.imageset(fmt.Sprintf(`  platform:
    graph: true
    channels: [{name: stable-4.99, minVersion: 4.99.1, maxVersion: 4.99.2}]
  operators:
  - catalog: registry.redhat.io/cat/index:v1
    packages: [{name: one}, {name: two}]
  additionalImages:
  - name: quay.io/team/app:v1
  - name: quay.io/team/app:v1
    targetRepo: our/place
    targetTag: today
  helm:
    repositories: [{url: %s/repo, charts: [{name: web}]}]
    local: [{path: tree}]
`, helm))
	tree := filepath.Join(e.w.dir, "tree")
	files := chartFiles("tree", "0.1.0")
	files["templates/web.yaml"] = strings.ReplaceAll(files["templates/web.yaml"], "/team/tree:v1", "/team/web:v1")
	files["../v.yaml"] = "registry: quay.io\n"
	for name, body := range files {
		file := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e.source = o.serve(t)
	e.conf = o.conf(t, e.source)
	return e
}

// week publishes the app anew, signed, and a catalog with one more version of an operator.
func (e *enclave) week(t *testing.T, versions ...string) {
	t.Helper()
	app := e.small(3 << 10)
	e.publish(t, "quay.io/team/app:v1", app)
	e.publish(t, "quay.io/team/app:sha256-"+app.Digest.Encoded()+".sig", e.content.Artifact("application/vnd.example.cosign", e.content.Layer(100, ocitest.LayerGzip)))
	files := map[string][]byte{}
	for _, name := range []string{"one", "two", "three"} {
		body := fmt.Sprintf(`{"schema":"olm.package","name":%q,"defaultChannel":"stable"}`+"\n", name)
		var entries []string
		for i, v := range versions {
			img := e.small(1 << 10)
			ref := "quay.io/op/" + name + "@" + img.Digest.String()
			e.publish(t, ref, img)
			entry := fmt.Sprintf(`{"name":"%s.v%s"}`, name, v)
			if i > 0 {
				entry = fmt.Sprintf(`{"name":"%s.v%s","replaces":"%s.v%s"}`, name, v, name, versions[i-1])
			}
			entries = append(entries, entry)
			body += fmt.Sprintf(`{"schema":"olm.bundle","package":%[1]q,"name":"%[1]s.v%[2]s","image":%[3]q,"properties":[{"type":"olm.package","value":{"packageName":%[1]q,"version":%[2]q}}]}`+"\n", name, v, ref)
		}
		body += fmt.Sprintf(`{"schema":"olm.channel","package":%q,"name":"stable","entries":[%s]}`+"\n", name, strings.Join(entries, ","))
		files[name+"/catalog.json"] = []byte(body)
	}
	e.publish(t, "registry.redhat.io/cat/index:v1", catalogImages(t, e.content, true, []byte("program"), ocitest.CatalogRun(), files))
}

// everyTag gives what each tag of a registry names, without the receipts.
func everyTag(t *testing.T, host string) map[string]string {
	t.Helper()
	get := func(path string, v any) http.Header {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", strings.Join([]string{"application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json"}, ","))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
			t.Fatal(err)
		}
		return resp.Header
	}
	all := map[string]string{}
	var repos struct{ Repositories []string }
	get("/v2/_catalog?n=1000", &repos)
	for _, repo := range repos.Repositories {
		var tags struct{ Tags []string }
		get("/v2/"+repo+"/tags/list", &tags)
		for _, tag := range tags.Tags {
			if !strings.HasSuffix(repo, "satchel/receipts") && tag != "satchel-probe" {
				var body map[string]any
				all[repo+":"+tag] = get("/v2/"+repo+"/manifests/"+tag, &body).Get("Docker-Content-Digest")
			}
		}
	}
	return all
}

// TestEnclave packs the same configuration again from the mirror inside, with nothing else to
// be reached, for a mirror behind it: first whole, then what is new in the next week.
func TestEnclave(t *testing.T) {
	t.Parallel()
	e, hub, next := newEnclave(t), registrytest.Start(t), registrytest.Start(t)
	w := e.w
	values := []string{"--helm-values", "web=v.yaml", "--helm-values", "tree=v.yaml"}
	outside := func(n int, more ...string) {
		t.Helper()
		w.drive = filepath.Join(w.dir, fmt.Sprint("outside-", n))
		w.withGraph(e.graphs.URL+"/graph", append(w.pack(append(values, "--registries-conf", e.conf)...), more...)...).want(exitOK)
		w.run(w.unpackSite(hub.Host+"/ocp", filepath.Join(w.dir, "hub"), "--allow-shrink")...).want(exitOK)
	}
	outside(1)

	in := w.in(t) // another host, which has only the key that releases are signed with
	in.dir, in.config = filepath.Join(w.dir, "inside"), filepath.Join(w.dir, "inside", "imageset.yaml")
	for _, dir := range []string{in.dir, filepath.Join(in.dir, "run")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, from := range map[string]string{"imageset.yaml": w.config, "v.yaml": filepath.Join(w.dir, "v.yaml")} {
		if err := os.WriteFile(filepath.Join(in.dir, name), readFile(t, from), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in.releases = []string{"HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9"} // whoever asks outside fails
	for _, env := range w.releases {
		if strings.HasPrefix(env, manifests.EnvSignatureKey) {
			in.releases = append(in.releases, env)
		}
	}
	conf := filepath.Join(w.dir, "hub", "registries.conf")
	inside := func(n int, more ...string) result {
		t.Helper()
		in.drive = filepath.Join(in.dir, fmt.Sprint("drive-", n))
		packed := in.run(append(in.pack(append(values, "--registries-conf", conf)...), more...)...).want(exitOK).
			says("everything comes from "+hub.Host+"/ocp", "catalog registry.redhat.io/cat/index:v1: taken as it is from "+hub.Host+"/ocp, sha256:")
		in.run(in.unpackSite(next.Host+"/ocp", filepath.Join(in.dir, "next"), "--allow-shrink")...).want(exitOK)
		return packed
	}
	same := func(least int) {
		t.Helper()
		want, got := everyTag(t, hub.Host), everyTag(t, next.Host)
		if !maps.Equal(want, got) || len(got) < least {
			t.Errorf("the hub has %d tags, the mirror behind it %d", len(want), len(got))
			for _, at := range slices.Sorted(maps.Keys(want)) {
				if got[at] != want[at] {
					t.Errorf("%s is %s in the hub, and %q", at, want[at], got[at])
				}
			}
			for at, d := range got {
				if want[at] == "" {
					t.Errorf("%s, %s, is not in the hub", at, d)
				}
			}
		}
	}
	inside(1).says("stream imageset-enclave ")
	same(20)
	for _, name := range []string{"icsp-release.yaml", "icsp-operator.yaml", "icsp-generic.yaml", "catalogsource-index.yaml"} {
		_, a, _ := strings.Cut(string(readFile(t, filepath.Join(w.dir, "hub", name))), "\nspec:")
		_, b, _ := strings.Cut(string(readFile(t, filepath.Join(in.dir, "next", name))), "\nspec:")
		if strings.ReplaceAll(a, hub.Host, next.Host) != b || b == "" {
			t.Errorf("%s is\n%s\nfor the hub, and\n%s", name, a, b)
		}
	}

	e.week(t, "1.0.0", "1.1.0")
	for _, name := range []string{"quay.io/team/app", "quay.io/op", "registry.redhat.io/cat/index"} {
		for ref, root := range e.images {
			if strings.HasPrefix(ref, name) {
				parsed := e.refs(t)[ref]
				if parsed.Tag == "" {
					parsed.Tag = "made-" + root.Digest.Encoded()[:16]
				}
				push(t, e.content, root, e.source, repoOf(parsed), parsed.Tag)
			}
		}
	}
	outside(2)
	in.run(append(in.pack(append(values, "--registries-conf", conf)...), "--since", filepath.Join(w.dir, "hub", "receipt.json"))...).want(exitUsage).
		says("is of "+hub.Host+"/ocp, which this bundle is packed from", "name a receipt of the mirror that the bundle is for")
	delta := inside(2, "--since", filepath.Join(in.dir, "next", "receipt.json")).says("there already, and not carried: ")
	same(24)
	if strings.Contains(delta.stderr, "unconfirmed") {
		t.Error(delta.stderr)
	}
}
