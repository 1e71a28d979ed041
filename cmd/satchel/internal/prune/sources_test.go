package prune_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestKept keeps the newest bundles of each stream by their numbers, and of all others by when they
// were packed; what never arrived whole, or is of a part of the images, takes nobody's place.
func TestKept(t *testing.T) {
	t.Parallel()
	s := newSite(t, registrytest.StartOlareg(t).Host, 11)
	images := map[string]oci.Descriptor{}
	bring := func(name string, n int, stream receipt.Stream) {
		images[name] = s.image()
		s.stream = stream
		s.bring(n, from(name, images[name], "1"))
	}
	one, two := receipt.Stream{Ledger: s.stream.Ledger, Name: "one"}, receipt.Stream{Ledger: s.stream.Ledger, Name: "two"}
	bring("one-4", 4, one)
	bring("one-2", 2, one) // late
	bring("one-3", 3, one)
	bring("two-9", 9, two)
	three := receipt.Stream{Ledger: s.stream.Ledger, Name: "three"}
	bring("three-11", 11, three)
	s.partial = true
	bring("three-12-part", 12, three)
	bring("three-14-part", 14, three)
	s.partial = false
	bring("three-13", 13, three)
	bring("three-15", 15, three)
	s.partial = true
	for _, n := range []int{16, 17, 18} {
		bring(fmt.Sprintf("three-%d-part", n), n, three)
	}
	s.partial = false
	bring("none-5", 5, receipt.Stream{})
	bring("none-6", 6, receipt.Stream{})
	bring("none-7", 7, receipt.Stream{})
	s.keep(&receipt.Receipt{State: receipt.Done, Bundle: "ended", Stream: one, Sequence: 8, Mirror: s.place, Time: time.Now(), Packed: time.Now(), From: receipt.Rebuilt, Closes: []digest.Digest{oci.Digest([]byte("x"))}})
	plan, err := prune.Look(t.Context(), s.options(2))
	if err != nil {
		t.Fatal(err)
	}
	for name, root := range images {
		goes := slices.Contains([]string{"one-2", "none-5", "three-11", "three-12-part"}, name)
		if got := why(plan, name, root); (got == "goes: ") != goes {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestNothing deletes nothing where receipts do not say what satchel pushed, or not all of it.
func TestNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, registrytest.StartOlareg(t).Host, 12)
	if plan, err := prune.Look(t.Context(), s.options(1)); err != nil || !plan.Unknown || !plan.Idle() {
		t.Errorf("no receipts: %+v, %v", plan, err)
	}
	old := s.image()
	s.bring(1, from("app", old, "1"))
	s.bring(2, from("app", s.image(), "2"))
	own := s.state
	s.state = t.TempDir() // of another host
	if plan, err := prune.Look(t.Context(), s.options(1)); err != nil || !plan.Unknown || plan.Unconfirmed != 2 {
		t.Errorf("receipts of somebody: %+v, %v", plan, err)
	}
	s.state = own
	s.keep(&receipt.Receipt{State: receipt.Intent, Bundle: "begun", Mirror: s.place, Time: time.Now(), Packed: time.Now()})
	var open *prune.OpenError
	if _, err := prune.Look(t.Context(), s.options(1)); !errors.As(err, &open) || open.Bundles[0] != "begun" {
		t.Errorf("an open intent: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(receipt.HostDir(s.state, s.place), "intents")); err != nil {
		t.Fatal(err)
	}
	if err := s.mirror().Delete(t.Context(), s.intent()); err != nil {
		t.Fatal(err)
	}
	s.push("satchel/receipts", s.image(), "somebody")
	var odd *prune.UnreadableError
	if _, err := prune.Look(t.Context(), s.options(1)); !errors.As(err, &odd) {
		t.Errorf("what is no receipt: %v", err)
	}
	s.want(true, s.ref("app").WithDigest(old.Digest))
}

// TestClaims has a receipt that somebody else wrote protect what it names, and delete nothing; a
// signature of somebody who is trusted makes it count.
func TestClaims(t *testing.T) {
	t.Parallel()
	s := newSite(t, registrytest.StartOlareg(t).Host, 13)
	mine, both, theirs := s.image(), s.image(), s.image()
	s.bring(1, from("app", mine, "1"), from("app", both, "2"))
	s.bring(2, from("other", s.image(), "1"))
	own := s.state
	s.state = t.TempDir()
	s.stream.Name = "theirs"
	s.bring(1001, from("app", both, "2"), from("app", theirs, "3"))
	s.bring(1002, from("app", theirs, "4"))
	s.state = own
	plan := s.prune(s.options(1))
	if plan.Unconfirmed != 2 || plan.Count(prune.Deleted) != 1 || plan.Needed != 1 {
		t.Errorf("%+v", plan)
	}
	s.want(true, s.ref("app").WithTag("2"), s.ref("app").WithTag("3"))
	s.want(false, s.ref("app").WithTag("1"))
}

// TestTrusted deletes by receipts that somebody who is trusted has signed, from another host.
func TestTrusted(t *testing.T) {
	t.Parallel()
	s := newSite(t, registrytest.StartOlareg(t).Host, 14)
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if out, err := proctest.Command(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Skipf("ssh-keygen: %v: %s", err, out)
	}
	pub, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	allowed := filepath.Join(dir, "allowed")
	if err := os.WriteFile(allowed, append([]byte("me "), pub...), 0o600); err != nil {
		t.Fatal(err)
	}
	trust, err := bundle.LoadTrust([]string{allowed}, 1)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := bundle.LoadSigner(t.Context(), key, &bundle.UI{})
	if err != nil {
		t.Fatal(err)
	}
	s.signers = []*bundle.Signer{signer}
	old := s.image()
	s.bring(1, from("app", old, "1"))
	s.bring(2, from("app", s.image(), "2"))
	s.state, s.signers = t.TempDir(), nil
	unsigned := s.image()
	s.stream = receipt.Stream{}
	s.bring(30, from("app", unsigned, "9"))
	s.state = t.TempDir()
	o := s.options(1)
	o.Keeper.Trust, o.Keeper.Signers = trust, []*bundle.Signer{signer}
	plan := s.prune(o)
	if plan.Count(prune.Deleted) != 1 || plan.Unconfirmed != 1 || len(plan.Kept) != 1 {
		t.Errorf("%+v", plan)
	}
	s.want(false, s.ref("app").WithTag("1"))
	s.want(true, s.ref("app").WithTag("2"), s.ref("app").WithTag("9"))
}

// TestOtherPlaces keeps what a receipt in another place of the same registry needs.
func TestOtherPlaces(t *testing.T) {
	t.Parallel()
	s := newSite(t, registrytest.StartOlareg(t).Host, 15)
	shared, old := s.image(), s.image()
	s.bring(1, from("app", shared, "1"), from("app", old, "2"))
	s.bring(2, from("app", s.image(), "3"))
	place := s.place
	for _, other := range []oci.Mirror{{Host: s.host}, {Host: s.host, Namespace: "in", MaxNestedPaths: 2}} {
		s.place = other
		img := from("app", shared, "1")
		if other.Namespace == "" {
			img.Path = "in/app"
		}
		s.stream.Name = "another"
		s.bring(3, img)
	}
	s.place = place
	s.prune(s.options(1))
	s.want(true, s.ref("app").WithTag("1"))
	s.want(false, s.ref("app").WithTag("2"))
}

// TestMeanwhile stops where another run begins to write into the mirror.
func TestMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t, registrytest.StartOlareg(t).Host, 16)
	old := s.image()
	s.bring(1, from("app", old, "1"))
	s.bring(2, from("app", s.image(), "2"))
	plan, err := prune.Look(t.Context(), s.options(1))
	if err != nil {
		t.Fatal(err)
	}
	k := s.keeper()
	release, err := k.Hold(false)
	if err != nil {
		t.Fatal(err)
	}
	var busy *receipt.BusyError
	if err := plan.Do(t.Context()); !errors.As(err, &busy) {
		t.Errorf("while an unpack of this host runs: %v", err)
	}
	release()
	s.keep(&receipt.Receipt{State: receipt.Intent, Bundle: "begun", Mirror: s.place, Time: time.Now(), Packed: time.Now()})
	var changed *prune.ChangedError
	if err := plan.Do(t.Context()); !errors.As(err, &changed) {
		t.Errorf("after an intent: %v", err)
	}
	s.want(true, s.ref("app").WithDigest(old.Digest))
}
