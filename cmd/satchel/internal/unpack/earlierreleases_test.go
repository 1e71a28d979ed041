package unpack_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// runs is a cluster that runs a release, and nothing else is known of it.
func runs(t *testing.T, version string, payload digest.Digest) *manifests.Cluster {
	t.Helper()
	image := releases + "@" + payload.String()
	c, err := manifests.ReadCluster("site", strings.NewReader("apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {clusterID: 256f375f-6920-44f0-8c16-f71bb5fc7be6}\nstatus:\n  desired: {version: "+version+", image: \""+image+"\"}\n  history:\n  - {state: Completed, version: "+version+", image: \""+image+"\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// redhatIndex publishes the catalog of Red Hat for a minor version, and has the bundle carry it.
func (v *vendor) redhatIndex(tag string) {
	v.t.Helper()
	op := v.Content.Image(false)
	v.publish(op, "quay.io/acme/op", tag)
	body := `{"schema":"olm.package","name":"op","defaultChannel":"stable"}
{"schema":"olm.channel","package":"op","name":"stable","entries":[{"name":"op.v1.0.0"}]}
{"schema":"olm.bundle","package":"op","name":"op.v1.0.0","image":"quay.io/acme/op@` + op.Digest.String() + `","properties":[{"type":"olm.package","value":{"packageName":"op","version":"1.0.0"}}]}
`
	d, err := v.Content.Catalog("amd64", map[string][]byte{"op/catalog.json": []byte(body)})
	if err != nil {
		v.t.Fatal(err)
	}
	v.publish(d, "redhat/redhat-operator-index", tag)
	v.config += "  operators:\n  - catalog: registry.redhat.io/redhat/redhat-operator-index:" + tag + "\n    packages: [{name: op}]\n"
}

// TestEarlierReleases: the way to the release of this week leads over that of last week, which is in
// the mirror; so is the catalog for its version, which takes its place after the update. Where the
// mirror is not asked, the page stops.
func TestEarlierReleases(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 71)
	f := v.far()
	week := func(version, drive string, previous ...string) func(way func(*unpack.Options)) (string, error) {
		v.previous = previous
		v.release(version, nil)
		if drive == "drive" {
			v.redhatIndex("v4.15")
		}
		r, gaps := v.pack(drive)
		if len(gaps) > 0 {
			t.Fatalf("gaps: %v", gaps)
		}
		return func(way func(*unpack.Options)) (string, error) {
			var err error
			if f.Out, err = outdir.Open(f.dir); err != nil {
				t.Fatal(err)
			}
			o := f.Options
			o.Site.Cluster = runs(t, "4.14.20", digest.FromString("4.14.20"))
			if way == nil {
				err = unpack.Run(t.Context(), r, jobtest.Client(), o)
			} else {
				way(&o)
				err = unpack.Render(t.Context(), r, jobtest.Client(), o)
			}
			return f.read(t, "APPLY.md"), err
		}
	}
	if page, err := week("4.14.30", "drive", "4.14.20")(nil); err != nil || !strings.Contains(page, "It is updated to 4.14.30.") {
		t.Fatalf("week 1: %v\n%s", err, page)
	}
	second := week("4.15.40", "drive2", "4.14.30")
	for range 2 {
		if page, err := second(nil); err != nil || !strings.Contains(page, "It is updated to 4.14.30, then to 4.15.40.") || !strings.Contains(page, "oc apply -f catalogsource-redhat-operators-after-4.15.yaml") || strings.Contains(page, "Stop:") {
			t.Fatalf("week 2: %v\n%s", err, page)
		}
	}
	page, err := second(func(o *unpack.Options) { o.Unasked = true })
	if err != nil || !strings.Contains(page, "**Stop: do not update to 4.15.40.") || strings.Contains(page, "allow-explicit-upgrade") {
		t.Errorf("without the mirror: %v\n%s", err, page)
	}
}

// TestRunningRelease: what runs is judged by the policies of the release that is to come, also where
// this bundle does not have it.
func TestRunningRelease(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 72)
	f := v.far()
	v.release("4.21.3", only(v.policy, releases), "etcd")
	r, _ := v.pack("drive")
	if err := unpack.Run(t.Context(), r, jobtest.Client(), f.Options); err != nil {
		t.Fatal(err)
	}
	running := v.payload
	v.previous = []string{"4.21.3"}
	v.release("4.22.1", v.policy)
	r, gaps := v.pack("drive2")
	if len(gaps) > 0 {
		t.Fatalf("gaps: %v", gaps)
	}
	var err error
	if f.Out, err = outdir.Open(f.dir); err != nil {
		t.Fatal(err)
	}
	f.Site.Cluster = runs(t, "4.21.3", running)
	err = unpack.Run(t.Context(), r, jobtest.Client(), f.Options)
	if strings.Contains(f.read(t, "APPLY.md")+f.read(t, "CUT.md"), "the release that the cluster runs, ") {
		t.Error("what runs is in the mirror")
	}
	var unsigned *unpack.UnsignedError
	if !errors.As(err, &unsigned) || len(unsigned.Images) != 1 || !strings.Contains(unsigned.Error(), "release 4.21.3 that runs: etcd") {
		t.Fatalf("unpack: %v", err)
	}
	if page := f.read(t, "APPLY.md"); !strings.Contains(page, "release 4.21.3 that runs: etcd") || strings.Contains(page, "--to-image") {
		t.Errorf("the page does not name it, or begins an update:\n%s", page)
	}
	if page := f.read(t, "install/README.md"); strings.Contains(page, "Not here") || !strings.Contains(page, "clusterimageset-4.22.1") {
		t.Errorf("a new cluster cannot be installed from 4.22.1, whose signatures are all there:\n%s", page)
	}
	proxy := registrytest.StartProxy(t, f.Site.Mirror.Host)
	proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/openshift/release-images/blobs/") {
			return false
		}
		http.NotFound(w, r)
		return true
	}
	for name, tc := range map[string]struct {
		way  func(*unpack.Options)
		want string
	}{
		"the mirror is not asked": {func(o *unpack.Options) { o.Unasked = true }, "images of the release that the cluster runs: the mirror was not asked for it"},
		"a blob of it is missing": {func(o *unpack.Options) { o.Site.Mirror.Host = proxy.Host }, "images of the release that the cluster runs: read the payload: "},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		o := f.Options
		if o.Out, err = outdir.Open(dir); err != nil {
			t.Fatal(err)
		}
		tc.way(&o)
		runErr := unpack.Render(t.Context(), r, jobtest.Client(), o)
		if page, err := os.ReadFile(filepath.Join(dir, "APPLY.md")); err != nil || !strings.Contains(string(page), tc.want) {
			t.Errorf("%s: %v, %v\n%s", name, runErr, err, page)
		}
	}
}

// TestEarlierReleaseUnsigned: a release of an earlier bundle that is on the way is judged as those of
// this one.
func TestEarlierReleaseUnsigned(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 73)
	f := v.far()
	week := func(drive, version string, unsigned ...string) error {
		v.release(version, v.policy, unsigned...)
		v.previous = []string{version}
		r, _ := v.pack(drive)
		var err error
		if f.Out, err = outdir.Open(f.dir); err != nil {
			t.Fatal(err)
		}
		o := f.Options
		o.Site.Cluster = runs(t, "4.20.10", digest.FromString("4.20.10"))
		return unpack.Run(t.Context(), r, jobtest.Client(), o)
	}
	v.previous = []string{"4.20.10"}
	for _, c := range []struct{ drive, version, unsigned string }{{"drive", "4.21.5", "etcd"}, {"drive2", "4.22.1", ""}} {
		err := week(c.drive, c.version, c.unsigned)
		var unsigned *unpack.UnsignedError
		if !errors.As(err, &unsigned) || len(unsigned.Images) != 1 || !strings.Contains(unsigned.Error(), "release 4.21.5 x86_64: etcd") {
			t.Fatalf("unpack %s: %v", c.version, err)
		}
		if page := f.read(t, "APPLY.md"); !strings.Contains(page, "Do not update to 4.21.5") || !strings.Contains(page, "release 4.21.5 x86_64: etcd") || strings.Contains(page, "--to-image") {
			t.Errorf("%s: the page does not stop:\n%s", c.version, page)
		}
	}
}
