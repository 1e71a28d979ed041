package unpack_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// weeks packs bundles of one catalog, and has a mirror for them.
type weeks struct {
	*jobtest.Bench
	t      *testing.T
	mirror *registrytest.Proxy
	state  string
	n      int
}

func newWeeks(t *testing.T, seed uint64) *weeks {
	t.Helper()
	return &weeks{Bench: jobtest.New(t, seed), t: t, state: t.TempDir(),
		mirror: registrytest.StartProxy(t, registrytest.StartV3(t, false, "", "").Host)}
}

// publish puts a catalog into the registry: versions, the newest last, of each package. Its
// operators' images are there from then on.
func (w *weeks) publish(packages map[string][]string) string {
	w.t.Helper()
	files := map[string][]byte{}
	for name, versions := range packages {
		var b strings.Builder
		fmt.Fprintf(&b, `{"schema":"olm.package","name":%q,"defaultChannel":"stable"}`+"\n", name)
		fmt.Fprintf(&b, `{"schema":"olm.channel","package":%q,"name":"stable","entries":[`, name)
		for i, v := range versions {
			if fmt.Fprintf(&b, `{"name":"%s.v%s"`, name, v); i > 0 {
				fmt.Fprintf(&b, `,"replaces":"%s.v%s"`, name, versions[i-1])
			}
			b.WriteString(map[bool]string{true: "}]}\n", false: "},"}[i == len(versions)-1])
		}
		for _, v := range versions {
			ref := w.Push(w.Content.Image(false), "op/"+name, v)
			fmt.Fprintf(&b, `{"schema":"olm.bundle","package":%[1]q,"name":"%[1]s.v%[2]s","image":%[3]q,"properties":[{"type":"olm.package","value":{"packageName":%[1]q,"version":%[2]q}}]}`+"\n", name, v, ref)
		}
		files[name+"/catalog.json"] = []byte(b.String())
	}
	d, err := w.Content.Catalog("amd64", files)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Push(d, "cat/index", "v1")
}

// pack packs the operators section of a configuration.
func (w *weeks) pack(operators string) *bundle.Reader {
	w.t.Helper()
	w.n++
	done, err := pack.Run(w.t.Context(), w.Bench.Pack(w.Prepare("  operators:\n"+operators), fmt.Sprint("week", w.n)))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.Open(done.Dir)
}

func (w *weeks) options(out string) unpack.Options {
	w.t.Helper()
	o := unpack.Options{To: w.To(), Parallel: 2, State: w.state, Site: manifests.Site{Mirror: oci.Mirror{Host: w.mirror.Host, Namespace: "in"}}}
	if out != "" {
		var err error
		if o.Out, err = outdir.Open(out); err != nil {
			w.t.Fatal(err)
		}
	}
	return o
}

// TestShrinkingCatalog stops before anything is pushed where a catalog would lose something,
// and says what; once that is allowed, the last lines and APPLY.md have it, also of runs after
// that.
func TestShrinkingCatalog(t *testing.T) {
	t.Parallel()
	w, out := newWeeks(t, 71), filepath.Join(t.TempDir(), "out")
	ref := w.publish(map[string][]string{"etcd": {"1.0.0", "1.1.0"}, "zoo": {"3.0.0"}})
	both, one := "  - {catalog: '"+ref+"', packages: [{name: etcd, channels: [{name: stable, minVersion: 1.0.0}]}, {name: zoo}]}\n", "  - {catalog: '"+ref+"', packages: [{name: etcd}]}\n"
	name := w.mirror.Host + "/in/cat/index:v1"

	first := w.pack(both)
	if err := unpack.Run(t.Context(), first, jobtest.Client(), w.options(out)); err != nil {
		t.Fatal(err)
	}
	if log := w.Log.String(); !strings.Contains(log, "catalog "+name+": new in the mirror") {
		t.Errorf("a new catalog:\n%s", log)
	}
	was := apply(t, out)
	w.publish(map[string][]string{"etcd": {"1.0.0", "1.1.0", "1.2.0"}, "zoo": {"3.0.0"}})
	less := w.pack(one)
	for _, dry := range []bool{true, false} {
		w.mirror.Reset()
		o := w.options(out)
		o.DryRun = dry
		err := unpack.Run(t.Context(), less, jobtest.Client(), o)
		var shrink *catalogs.ShrinkError
		if !errors.As(err, &shrink) || !strings.Contains(err.Error(), name+" would lose 1 package, 1 channel, 3 versions: version") || !strings.Contains(err.Error(), "package zoo (1 channel, 1 version)") {
			t.Fatalf("dry run %v: %v", dry, err)
		}
		if n := w.mirror.Count("PUT manifest"); !dry && n+w.mirror.Count("POST upload") > 0 {
			t.Errorf("requests: %v", w.mirror.Counts())
		}
		if log := w.Log.String(); !strings.Contains(log, "would go from "+name+": package zoo") {
			t.Errorf("dry run %v:\n%s", dry, log)
		}
		if apply(t, out) != was {
			t.Errorf("dry run %v: APPLY.md was written", dry)
		}
	}
	allowed := w.options(out)
	allowed.AllowShrink = true
	if err := unpack.Run(t.Context(), less, jobtest.Client(), allowed); err != nil {
		t.Fatal(err)
	}
	if log := w.Log.String(); !strings.Contains(log, "catalog "+name+": comes: 1 version (version 1.2.0 in channel stable of etcd); goes: 1 package, 1 channel, 3 versions (") {
		t.Errorf("allowed:\n%s", log)
	}
	page := apply(t, out)
	if !strings.Contains(page, "- `"+name+"`: package zoo (1 channel, 1 version)\n") || !strings.Contains(page, "oc get subscriptions.operators.coreos.com") {
		t.Errorf("APPLY.md:\n%s", page)
	}
	// Nothing moves any more, and what was applied may not be yet.
	for _, again := range []func() error{
		func() error { return unpack.Run(t.Context(), less, jobtest.Client(), w.options(out)) },
		func() error { return unpack.Render(t.Context(), less, jobtest.Client(), w.options(out)) },
	} {
		if err := again(); err != nil {
			t.Fatal(err)
		}
		if apply(t, out) != page {
			t.Errorf("a run after that:\n%s", apply(t, out))
		}
	}
	// Back to the first one, everything comes, but for the new version.
	back := w.options(out)
	back.MoveTagsBack = true
	err := unpack.Run(t.Context(), first, jobtest.Client(), back)
	if err == nil || !strings.Contains(err.Error(), "would lose 1 version: version 1.2.0 in channel stable of etcd") {
		t.Errorf("back: %v", err)
	}
	// Without, its tag stays at the newer one, and nothing is lost.
	if err := unpack.Run(t.Context(), first, jobtest.Client(), w.options(out)); err != nil {
		t.Error(err)
	}
	if log := w.Log.String(); !strings.Contains(log, "names the catalogs of an older bundle") {
		t.Errorf("an older one:\n%s", log)
	}
}

func apply(t *testing.T, out string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(out, "APPLY.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestGrowingCatalog says what came, and moves the tag without being asked.
func TestGrowingCatalog(t *testing.T) {
	t.Parallel()
	w := newWeeks(t, 72)
	ref := w.publish(map[string][]string{"etcd": {"1.0.0"}})
	set := "  - {catalog: '" + ref + "', packages: [{name: etcd, channels: [{name: stable, minVersion: 1.0.0}]}]}\n"
	for _, week := range [][]string{{"1.0.0"}, {"1.0.0", "1.1.0"}} {
		w.publish(map[string][]string{"etcd": week, "zoo": {"3.0.0"}})
		r, dry := w.pack(set), w.options("")
		dry.DryRun, dry.Report = true, &unpack.Report{}
		if err := unpack.Run(t.Context(), r, jobtest.Client(), dry); err != nil {
			t.Fatal(err)
		}
		if rep := dry.Report; rep.Changes == nil || len(rep.Changes.Catalogs) != 1 || rep.Catalogs != nil { // once
			t.Errorf("a dry run: %+v", rep)
		}
		if err := unpack.Run(t.Context(), r, jobtest.Client(), w.options("")); err != nil {
			t.Fatal(err)
		}
	}
	if log := w.Log.String(); !strings.Contains(log, "catalog "+w.mirror.Host+"/in/cat/index:v1: comes: 1 version (version 1.1.0 in channel stable of etcd); 1 other change") {
		t.Error(log)
	}
}

// TestRefusedCatalog says nothing came to a catalog whose tag the registry does not let move. What
// goes is in APPLY.md all the same: the cluster's YAML names the catalog by its digest.
func TestRefusedCatalog(t *testing.T) {
	t.Parallel()
	w, out := newWeeks(t, 77), filepath.Join(t.TempDir(), "out")
	ref := w.publish(map[string][]string{"etcd": {"1.0.0"}, "zoo": {"3.0.0"}})
	set := "  - {catalog: '" + ref + "', packages: [{name: etcd, channels: [{name: stable, minVersion: 1.0.0}]}]}\n"
	if err := unpack.Run(t.Context(), w.pack(strings.Replace(set, "]}]}", "]}, {name: zoo}]}", 1)), jobtest.Client(), w.options("")); err != nil {
		t.Fatal(err)
	}
	w.publish(map[string][]string{"etcd": {"1.0.0", "1.1.0"}})
	less := w.pack(set)
	w.mirror.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/cat/index/manifests/v1") {
			return false
		}
		rw.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(rw, `{"errors":[{"code":"TAG_INVALID","message":"the tag is immutable"}]}`)
		return true
	}
	o := w.options(out)
	o.AllowShrink = true
	if err := unpack.Run(t.Context(), less, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Glob(filepath.Join(out, "catalogsource-*.yaml"))
	if err != nil || len(source) != 1 {
		t.Fatal(source, err)
	}
	body, err := os.ReadFile(source[0])
	if err != nil || !strings.Contains(string(body), "image: "+w.mirror.Host+"/in/cat/index@sha256:") || !strings.Contains(apply(t, out), ": package zoo (1 channel, 1 version)\n") {
		t.Errorf("%v\n%s\n%s", err, body, apply(t, out))
	}
	if log := w.Log.String(); strings.Contains(log, ": comes: ") || !strings.Contains(log, "the registry does not let 1 tag move") {
		t.Error(log)
	}
}

// TestUnknownCatalog warns where what the mirror serves cannot be read, and goes on.
func TestUnknownCatalog(t *testing.T) {
	t.Parallel()
	w := newWeeks(t, 73)
	ref := w.publish(map[string][]string{"etcd": {"1.0.0"}})
	r := w.pack("  - {catalog: '" + ref + "', packages: [{name: etcd}]}\n")
	c := ocitest.New(74)
	for what, d := range map[string]oci.Descriptor{
		"SQLite": c.Labelled("amd64", false, map[string]string{"operators.operatorframework.io.index.database.v1": "/database/index.db"}),
		"label":  c.Image(false, c.Layer(1<<10, ocitest.LayerGzip)),
	} {
		if err := ocitest.Push(t.Context(), c, d, "http://"+w.mirror.Host, "in/cat/index", "v1"); err != nil {
			t.Fatal(err)
		}
		before := len(w.Log.String())
		if err := unpack.Run(t.Context(), r, jobtest.Client(), w.options("")); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if log := w.Log.String()[before:]; !strings.Contains(log, "level=WARN msg=\"what goes from the catalog "+w.mirror.Host+"/in/cat/index:v1 is not known: ") || !strings.Contains(log, what) {
			t.Errorf("%s:\n%s", what, log)
		}
	}
}

// TestCatalogAway: while the mirror does not give the catalog that it serves, nobody knows
// what would go, and nothing is pushed.
func TestCatalogAway(t *testing.T) {
	t.Parallel()
	w := newWeeks(t, 75)
	ref := w.publish(map[string][]string{"etcd": {"1.0.0"}})
	set := "  - {catalog: '" + ref + "', packages: [{name: etcd}]}\n"
	first := w.pack(set)
	if err := unpack.Run(t.Context(), first, jobtest.Client(), w.options("")); err != nil {
		t.Fatal(err)
	}
	w.publish(map[string][]string{"etcd": {"1.0.0", "1.1.0"}})
	r := w.pack(set)
	old := func(req *http.Request) bool { // a blob of the first catalog alone
		d := oci.Descriptor{Digest: digest.Digest(path.Base(req.URL.Path))}
		return registrytest.Kind(req) == "GET blob" && first.Has(d) && !r.Has(d)
	}
	w.mirror.Reset()
	w.mirror.Alter = func(resp *http.Response) error {
		if old(resp.Request) {
			resp.StatusCode = http.StatusServiceUnavailable
		}
		return nil
	}
	err := unpack.Run(t.Context(), r, jobtest.Client(), w.options(""))
	var answer *transport.RegistryError
	if !errors.As(err, &answer) || !strings.Contains(err.Error(), "read the catalog that "+w.mirror.Host+"/in/cat/index:v1 is now: ") {
		t.Errorf("%v", err)
	}
	if n := w.mirror.Count("PUT manifest") + w.mirror.Count("POST upload"); n > 0 {
		t.Errorf("requests: %v", w.mirror.Counts())
	}
	// Whoever lets everything go need not wait for it.
	o := w.options("")
	o.AllowShrink = true
	if err := unpack.Run(t.Context(), r, jobtest.Client(), o); err != nil || !strings.Contains(w.Log.String(), "what goes from the catalogs of the mirror is not known: read the catalog that ") {
		t.Errorf("%v", err)
	}
}

// TestCatalogLost: a mirror that has lost a part of the catalog gets the new one.
func TestCatalogLost(t *testing.T) {
	t.Parallel()
	w := newWeeks(t, 77)
	ref := w.publish(map[string][]string{"etcd": {"1.0.0"}})
	set := "  - {catalog: '" + ref + "', packages: [{name: etcd}]}\n"
	first := w.pack(set)
	if err := unpack.Run(t.Context(), first, jobtest.Client(), w.options("")); err != nil {
		t.Fatal(err)
	}
	w.publish(map[string][]string{"etcd": {"1.0.0", "1.1.0"}})
	r := w.pack(set)
	old := func(req *http.Request) bool { // a blob of the first catalog alone
		d := oci.Descriptor{Digest: digest.Digest(path.Base(req.URL.Path))}
		return registrytest.Kind(req) == "GET blob" && first.Has(d) && !r.Has(d)
	}
	w.mirror.Answer = func(rw http.ResponseWriter, req *http.Request) bool {
		lost := old(req)
		if lost {
			http.Error(rw, `{"errors":[{"code":"BLOB_UNKNOWN"}]}`, http.StatusNotFound)
		}
		return lost
	}
	if err := unpack.Run(t.Context(), r, jobtest.Client(), w.options("")); err != nil || !strings.Contains(w.Log.String(), "what goes from the catalog "+w.mirror.Host+"/in/cat/index:v1 is not known: ") {
		t.Errorf("%v", err)
	}
}

// TestNewerNotes: what a newer version noted of a mirror is refused by name.
func TestNewerNotes(t *testing.T) {
	t.Parallel()
	w := newWeeks(t, 76)
	ref := w.publish(map[string][]string{"etcd": {"1.0.0"}})
	r := w.pack("  - {catalog: '" + ref + "', packages: [{name: etcd}]}\n")
	if err := unpack.Run(t.Context(), r, jobtest.Client(), w.options("")); err != nil {
		t.Fatal(err)
	}
	notes, err := filepath.Glob(filepath.Join(w.state, "mirrors", "*", "set-*"))
	if err != nil || len(notes) != 1 {
		t.Fatal(notes, err)
	}
	newer := filepath.Join(filepath.Dir(notes[0]), "went-"+r.ID())
	if err := os.WriteFile(newer, []byte(`{"version":"went/2","catalogs":"of another form"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	err = unpack.Run(t.Context(), r, jobtest.Client(), w.options(filepath.Join(t.TempDir(), "out")))
	var is *oci.VersionError
	if !errors.As(err, &is) || is.File != newer || is.Has != "went/2" {
		t.Errorf("%v", err)
	}
}
