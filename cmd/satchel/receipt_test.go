package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// receiptsIn asks for the receipts of a mirror.
func (w *world) receiptsIn(mirror string, more ...string) (rep receiptsReport) {
	w.t.Helper()
	r := w.run(append([]string{"receipt", "--to", mirror, "--tls-verify=false", "-o", "json"}, more...)...).want(exitOK)
	if err := json.Unmarshal([]byte(r.stdout), &rep); err != nil {
		w.t.Fatalf("%v\n%s", err, r.stdout)
	}
	return rep
}

// marks counts what a report says of manifests, blobs and tags: what is pushed or claimed, and found.
func (rep receiptReport) marks() (pushed, found int) {
	count := func(m string) {
		if m == receipt.Found.String() {
			found++
		} else {
			pushed++
		}
	}
	for _, d := range rep.Content {
		for _, p := range d.In {
			count(p.Mark)
		}
	}
	for _, img := range rep.Images {
		for _, tag := range img.Tags {
			count(tag.Mark)
		}
	}
	return pushed, found
}

// TestReceiptCommand fetches receipts, rebuilds one where there is none, and adopts it.
func TestReceiptCommand(t *testing.T) {
	t.Parallel()
	source, mirror, w := newSource(t), newMirror(t), newWorld(t)
	c := ocitest.New(71)
	shared := c.Layer(1000, ocitest.LayerGzip)
	app, list := c.Image(false, shared), c.Index(false, c.Image(false, shared), c.ImageFor("arm64", false, shared))
	for name, err := range map[string]error{
		"app":  ocitest.Push(t.Context(), c, app, "http://"+source, "team/app", "v1"),
		"list": ocitest.Push(t.Context(), c, list, "http://"+source, "team/list", "v1"),
	} {
		if err != nil {
			t.Fatal(name, err)
		}
	}
	w.images(source+"/team/app:v1", source+"/team/list:v1")
	w.run(w.pack()...).want(exitOK)
	to := mirror + "/in"
	if r := w.run("receipt", "--to", to, "--tls-verify=false").want(exitOK); !strings.Contains(r.stdout, "no receipts") {
		t.Errorf("%q", r.stdout)
	}
	w.run(w.unpack(to)...).want(exitOK).says("the receipt of this bundle is in the mirror: " + to + "/satchel/receipts:")

	far := newWorld(t) // another host
	files := filepath.Join(w.dir, "receipts")
	rep := far.receiptsIn(to, "--output-dir", files)
	if len(rep.Receipts) != 1 || len(rep.Open) != 0 || rep.Receipts[0].ThisHost || rep.Receipts[0].Tag != rep.Receipts[0].Bundle {
		t.Fatalf("%+v", rep)
	}
	one := rep.Receipts[0]
	if one.Trusted || one.Pushed != 0 || one.Claimed != 3 || one.Content[0].In[0].Mark != "claimed" || len(one.Claims) != 0 {
		t.Errorf("on a host that trusts nobody: %+v", one)
	}
	if own := w.receiptsIn(to).Receipts[0]; !own.Trusted || own.Pushed != 3 || own.Claimed != 0 || own.Content[0].In[0].Mark != "pushed" {
		t.Errorf("on the host that pushed it: %+v", own)
	}
	if pushed, found := one.marks(); found != 0 || pushed < 10 {
		t.Errorf("%d pushed, %d found", pushed, found)
	}
	for _, d := range one.Content {
		if d.Prefix != "" || len(d.Digest) != len("sha256:")+64 || d.Size == 0 {
			t.Errorf("%+v", d)
		}
	}
	if !slices.ContainsFunc(one.Images, func(i receiptImage) bool {
		return i.Digest == list.Digest.String() && i.Repository == "in/team/list" && len(i.Tags) == 2
	}) {
		t.Errorf("%+v", one.Images)
	}
	if _, err := receipt.Decode(readFile(t, filepath.Join(files, one.Bundle+".json"))); err != nil {
		t.Error(err)
	}
	if r := far.run("receipt", "--to", to, "--tls-verify=false").want(exitOK); !strings.Contains(r.stdout, "0 of 3 manifests; 3 claimed") || !strings.Contains(r.stdout, one.Bundle) {
		t.Errorf("%s", r.stdout)
	}
	far.run("receipt", "--to", to, "--tls-verify=false", "--bundle", "aaaaaaaaaaaaaaaa").want(exitFailed).says("aaaaaaaaaaaaaaaa")

	w.run("receipt", "--to", to, "--tls-verify=false", "-i", w.key, w.drive).want(exitOK) // unpack has said all of it
	if all := w.receiptsIn(to).Receipts; len(all) != 1 || all[0].From != receipt.FromUnpack {
		t.Errorf("rebuilt where nothing is new: %d receipts", len(all))
	}

	other := mirror + "/other"
	rebuild := []string{"receipt", "--to", other, "--tls-verify=false", "-i", w.key, w.drive}
	if r := w.run(rebuild...); r.code != exitGaps || !strings.Contains(r.stderr, "lacks 2 of 2 images") {
		t.Errorf("an empty mirror: %d %s", r.code, r.stderr)
	}
	w.run(w.unpack(other, "--no-mirror-receipt")...).want(exitOK)
	if err := os.RemoveAll(filepath.Join(w.dir, "state", "satchel", "mirrors")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one has nothing to say
		w.run(rebuild...).want(exitOK)
	}
	if n := len(w.receiptsIn(other).Receipts); n != 2 { // the first one was of an empty mirror
		t.Errorf("%d receipts", n)
	}
	found := w.receiptsIn(other).Receipts[0]
	if pushed, there := found.marks(); pushed != 0 || there < 10 || found.From != receipt.Rebuilt {
		t.Errorf("rebuilt: %d pushed, %d found, %q", pushed, there, found.From)
	}
	key := filepath.Join(w.dir, "signer")
	if out, err := proctest.Command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Skipf("ssh-keygen: %v: %s", err, out)
	}
	w.run(append(rebuild, "--no-mirror-receipt", "--sign-key", key)...).want(exitOK)
	if sigs, err := filepath.Glob(filepath.Join(w.dir, "state", "satchel", "mirrors", "*", "receipts", "*.sig")); err != nil || len(sigs) != 1 {
		t.Errorf("the same receipt, signed: %v, %v", sigs, err)
	}
	w.run(append(rebuild, "--adopt")...).want(exitUsage).says("other/team/app", "nothing was adopted", "--yes")
	w.run(append(rebuild, "--adopt", "--yes")...).want(exitOK).says("other/team/list")
	adopted := w.receiptsIn(other).Receipts[0]
	if pushed, there := adopted.marks(); pushed < 10 || there != 0 || adopted.From != receipt.Adopted {
		t.Errorf("adopted: %d pushed, %d found, %q", pushed, there, adopted.From)
	}
}

// TestReceiptOfLedger rebuilds a receipt on the packing host, without the drive.
func TestReceiptOfLedger(t *testing.T) {
	t.Parallel()
	source, mirror, w := newSource(t), newMirror(t), newWorld(t)
	c := ocitest.New(72)
	if err := ocitest.Push(t.Context(), c, c.Image(false, c.Layer(500, ocitest.LayerGzip)), "http://"+source, "team/app", "v1"); err != nil {
		t.Fatal(err)
	}
	w.images(source + "/team/app:v1")
	w.run(w.pack()...).want(exitOK)
	far := newWorld(t)
	far.drive, far.key = w.drive, w.key
	far.run(far.unpack(mirror)...).want(exitOK)
	sent := far.receiptsIn(mirror).Receipts[0]
	args := []string{"receipt", "--to", mirror, "--tls-verify=false", "--ledger", "imageset"}
	w.run(args...).want(exitUsage).says("satchel confirm")
	w.run("confirm", sent.Fingerprint).want(exitOK)
	w.run(append(args, "--no-mirror-receipt")...).want(exitOK)
	rebuilt := w.receiptsIn(mirror).Receipts[0]
	if pushed, there := rebuilt.marks(); rebuilt.From != receipt.Rebuilt || rebuilt.Tag != "" || pushed != 0 || len(rebuilt.Content) != len(sent.Content) || there == 0 {
		t.Errorf("%d pushed, %d found, %+v", pushed, there, rebuilt.receiptHead)
	}
	w.run(append(args, "--bundle", "aaaaaaaaaaaaaaaa")...).want(exitUsage)
	w.run("receipt", "--to", mirror, "--tls-verify=false", "--ledger", "nobody").want(exitUsage)
}
