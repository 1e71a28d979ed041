package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/keystest"
)

// TestCatalogMode packs two weeks of a catalog, the second without one of its operators. That
// one stays with --catalog merge; without it, unpack stops before the catalog is moved.
func TestCatalogMode(t *testing.T) {
	t.Parallel()
	s, mirror, w := newFilteredSet(t), newMirror(t), newWorld(t)
	set := "  operators:\n    - catalog: " + s.source.Host + "/cat/index:v1\n      packages: "
	first := w.drive
	w.imageset(set + "[{name: one}, {name: two}]\n")
	finger := w.run(w.pack("--catalog", "merge")...).want(exitOK).says("no finished bundle of the stream imageset has a filtered catalog").stdout
	w.run(w.unpack(mirror)...).want(exitOK)

	w.imageset(set + "[{name: one}]\n")
	w.drive = filepath.Join(filepath.Dir(first), "replaced")
	w.run(w.pack()...).want(exitOK)
	r := w.run(w.unpack(mirror, "--dry-run")...).want(exitUsage).says("would go from " + mirror + "/cat/index:v1: package two (1 channel, 1 version)")
	if !strings.Contains(r.stderr, "(--allow-shrink)") {
		t.Error(r.stderr)
	}
	// The ledger's newest bundle has one operator alone: what its mirror never got is not joined.
	w.drive = filepath.Join(filepath.Dir(first), "two")
	w.imageset(set + "[{name: two}]\n")
	w.run(w.pack("--catalog", "merge")...).want(exitOK)
	for _, p := range []string{"one", "two"} {
		if r := w.run("inspect", "-i", w.key, "-o", "json", w.drive).want(exitOK); !strings.Contains(r.stdout, "/op/"+p+"@") {
			t.Errorf("%s is not carried:\n%s", p, r.stdout)
		}
	}
	w.run(w.unpack(mirror)...).want(exitOK).says("nothing to do: all 3 images are in the mirror") // the same catalog as in the first week
	w.run(w.pack("--catalog", "merge")...).want(exitOK).says("nothing has changed")
	if planned, _ := w.plan(exitOK, "--catalog", "merge"); len(planned.Images) != 3 || planned.Parts != nil {
		t.Errorf("planned: %+v", planned.Images)
	}
	// What is left out of a bundle is in the mirror, and so is its catalog.
	w.run("confirm", strings.TrimSpace(finger)).want(exitOK)
	// A whole bundle that never arrives takes nothing away from what is known to be there.
	w.drive = filepath.Join(filepath.Dir(first), "lost")
	w.imageset(set + "[{name: one}]\n")
	w.run(w.pack()...).want(exitOK)
	w.drive = filepath.Join(filepath.Dir(first), "three")
	planned, _ := w.plan(exitOK, "--since", "last")
	for _, p := range planned.Parts {
		if p.New.Images != 0 || p.LeftOut.Images != 1 || p.New.Bytes != 0 || p.LeftOut.Bytes == 0 {
			t.Errorf("nothing is new: %+v", p)
		}
	}
	if table := w.run("plan", "-c", w.config, "--tls-verify=false", "--since", "last").want(exitOK).stdout; len(planned.Parts) != 3 || !strings.Contains(table, "\noperator two ") {
		t.Errorf("%+v\n%s", planned.Parts, table)
	}
	key := keystest.SSHKey(t, "ed25519", "")
	planned, _ = w.plan(exitOK, "--since", "last", "--sign-key", key)
	var did packed
	if r := w.run(w.pack("--since", "last", "--sign-key", key, "-o", "json")...).want(exitOK); json.Unmarshal([]byte(r.stdout), &did) != nil || did.Carried == nil || did.LeftOut == nil ||
		did.Carried.Images != 0 || did.Carried.Bytes != 0 || did.LeftOut.Images != 3 || did.LeftOut.Bytes == 0 || len(did.Images) != 3 {
		t.Errorf("%+v\n%s", did.Carried, r.stdout)
	}
	if taken := w.taken(); max(taken, planned.Written.Bytes)-min(taken, planned.Written.Bytes) > taken/100 {
		t.Errorf("%d bytes are on the drive, plan says %+v", taken, planned.Written)
	}
	w.run(w.unpack(mirror)...).want(exitOK).says("nothing to do: all 3 images are in the mirror")
	receipts := filepath.Join(filepath.Dir(first), "receipts")
	w.run("receipt", "--to", mirror, "--tls-verify=false", "--output-dir", receipts).want(exitOK)
	kept, err := filepath.Glob(filepath.Join(receipts, "*.json"))
	if err != nil || len(kept) == 0 {
		t.Fatal(kept, err)
	}
	w.run("plan", "-c", w.config, "--tls-verify=false", "--stream", "elsewhere", "--since", kept[0]).want(exitOK).says("satchel: warning: no finished bundle of the stream elsewhere is known on this host")
	w.run(w.pack("--catalog", "add")...).want(exitUsage).says(`--catalog "add" is not one of merge, replace`)
	// Another name for the same catalog in the mirror is no other catalog; none is.
	const gone = "the configuration does not name the catalog "
	w.imageset(strings.Replace(set, "/cat/index:v1", "/cat/other:v7\n      targetCatalog: cat/index\n      targetTag: v1", 1) + "[{name: one}]\n")
	if r := w.run("plan", "-c", w.config, "--tls-verify=false", "--since", "last"); strings.Contains(r.stderr, gone) {
		t.Error(r.stderr)
	}
	w.imageset("  additionalImages: [{name: " + s.source.Host + "/op/one:v1}]\n")
	_, r = w.plan(exitOK, "--since", "last")
	r.says(gone + s.source.Host + "/cat/index:v1 any more, which bundle 5 of the stream imageset has")
	if _, r = w.plan(exitOK); strings.Contains(r.stderr, gone) {
		t.Error(r.stderr)
	}
}
