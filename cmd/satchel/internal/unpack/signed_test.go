package unpack_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestSigned: what is signed as the policies of 4.21 and 4.22 demand it is carried, and nodes
// with those policies pull it; by Red Hat's own key, they pull nothing of it.
func TestSigned(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 61)
	v.release("4.22.1", v.policy)
	r, gaps := v.pack("drive")
	if len(gaps) > 0 {
		t.Fatalf("gaps: %v", gaps)
	}
	f := v.far()
	if err := unpack.Run(t.Context(), r, jobtest.Client(), f.Options); err != nil {
		t.Fatal(err)
	}
	if page := f.read(t, "APPLY.md"); strings.Contains(page, "Stop") || strings.Contains(page, "signatures are missing") {
		t.Errorf("it stops:\n%s", page)
	}
	conf := f.read(t, "registries.conf")
	var all []ocitest.Pull
	var want []bool
	for _, n := range []struct {
		policy []byte
		pulled func(name string) bool
	}{
		{v.policy, func(string) bool { return true }},
		{only(v.policy, releases), func(string) bool { return true }},
		{v.real, func(string) bool { return false }},
		{only(v.real, releases), func(image string) bool { return !strings.HasPrefix(image, releases) }},
	} {
		for _, p := range pulls(r, v.node(n.policy, conf)) {
			all, want = append(all, p), append(want, n.pulled(p.Image))
		}
	}
	answers, err := ocitest.Judge(t.Context(), "../../../..", all)
	if err != nil {
		t.Fatal(err)
	}
	v.skopeo(all, answers)
	for i, p := range all {
		if (answers[i] == ocitest.Accepted) != want[i] {
			t.Errorf("%s on %s: want accepted %t, got: %s", p.Image, p.Arch, want[i], answers[i])
		}
	}
	if len(all) != 4*5 {
		t.Errorf("%d pulls", len(all))
	}
}

// TestUnsigned: a component without a signature is named by pack and by unpack, and no rule
// leads nodes to it; they would refuse it.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 62)
	v.release("4.22.1", v.policy, "etcd", "both")
	r, gaps := v.pack("drive")
	named := func(text string) (list []string) {
		for _, name := range []string{"etcd", "both", "cli"} {
			if strings.Contains(text, "release 4.22.1 x86_64: "+name) {
				list = append(list, name)
			}
		}
		return list
	}
	var listed []string
	for _, g := range gaps {
		listed = append(listed, named(g.Error())...)
	}
	if slices.Sort(listed); !slices.Equal(listed, []string{"both", "both", "etcd"}) {
		t.Errorf("the gap list names %q: %v", listed, gaps)
	}
	f := v.far()
	err := unpack.Run(t.Context(), r, jobtest.Client(), f.Options)
	var unsigned *unpack.UnsignedError
	if !errors.As(err, &unsigned) || len(unsigned.Images) != 3 || !unsigned.Wrote {
		t.Fatalf("unpack: %v", err)
	}
	page := f.read(t, "APPLY.md")
	stop, apply := strings.Index(page, "**Stop.**"), strings.Index(page, "oc apply -f icsp-")
	if stop < 0 || apply < stop || !slices.Equal(named(page[stop:apply]), []string{"etcd", "both"}) {
		t.Errorf("stop at %d, apply at %d:\n%s", stop, apply, page)
	}
	if strings.Contains(page, "oc adm upgrade --allow") {
		t.Error("APPLY.md updates to a release that nodes refuse")
	}
	conf := f.read(t, "registries.conf")
	if strings.Contains(conf, components) || !strings.Contains(conf, releases) {
		t.Errorf("registries.conf:\n%s", conf)
	}
	conf += fmt.Sprintf("[[registry]]\nprefix=%q\nlocation=%q\n[[registry.mirror]]\nlocation=\"%s/in/openshift/release\"\ninsecure=true\n", components, components, f.Site.Mirror.Host)
	all := pulls(r, v.node(v.policy, conf))
	answers, err := ocitest.Judge(t.Context(), "../../../..", all)
	if err != nil {
		t.Fatal(err)
	}
	v.skopeo(all, answers)
	refused := 0
	for _, a := range answers {
		if strings.Contains(a, "A signature was required, but no signature exists") {
			refused++
		}
	}
	if refused != 3 || len(all) != 5 {
		t.Errorf("nodes refuse %d of %d: %q", refused, len(all), answers)
	}
	v.later(r, f)
}

// later signs what was not signed, and carries the signatures alone.
func (v *vendor) later(r *bundle.Reader, f far) {
	v.t.Helper()
	for _, img := range r.Inventory().Gaps {
		v.sign(img.Image.Subject, components)
	}
	// unsigned images are looked up again
	second, gaps := v.pack("drive2")
	if len(gaps) > 0 {
		v.t.Errorf("gaps after all: %v", gaps)
	}
	var err error
	if f.Out, err = outdir.Open(f.dir); err != nil {
		v.t.Fatal(err)
	}
	if err := unpack.Run(v.t.Context(), second, jobtest.Client(), f.Options); err != nil {
		v.t.Errorf("with all signatures: %v", err)
	}
	if page := f.read(v.t, "APPLY.md"); strings.Contains(page, "**Stop.**") || !strings.Contains(f.read(v.t, "registries.conf"), components) {
		v.t.Errorf("it still stops:\n%s", page)
	}
}
