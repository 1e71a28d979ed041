package pack_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport"
)

// weekly is a host that packs the same images every week.
type weekly struct {
	*jobtest.Bench
	t    *testing.T
	set  string
	dir  string
	edit func(*pack.Options) // of the next pack; may be nil
}

func newWeekly(t *testing.T, seed uint64) *weekly {
	t.Helper()
	b := jobtest.New(t, seed)
	w := &weekly{Bench: b, t: t}
	w.set = jobtest.Images(w.push("team/app"), w.push("team/other"))
	w.dir = b.Pack(prepare.Options{}, "drive").Dir
	return w
}

// push gives the tag v1 of a repository to a new image.
func (w *weekly) push(repo string) string {
	w.t.Helper()
	return w.Push(w.Content.Image(false, w.Content.Layer(1<<16, ocitest.LayerGzip)), repo, "v1")
}

func (w *weekly) pack() (*pack.Result, error) {
	w.t.Helper()
	o := w.Pack(w.Prepare(w.set), "")
	o.Dir = w.dir
	if w.edit != nil {
		w.edit(&o)
	}
	return pack.Run(w.t.Context(), o)
}

// packed packs, and wants no error.
func (w *weekly) packed() *pack.Result {
	w.t.Helper()
	r, err := w.pack()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, w.Log)
	}
	return r
}

// said reports how often a text was reported until now.
func (w *weekly) said(text string) int { return strings.Count(w.Log.String(), text) }

// flip changes a bit in the middle of a segment.
func flip(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "s-00-00001.age")
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.WriteFile(name, body, 0o644); err != nil {
		t.Fatal(err)
	}
	return filepath.Base(name)
}

// TestAgain reads a finished bundle back each time before it says that it has what is wanted.
func TestAgain(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 11)
	first := w.packed()
	if again := w.packed(); again.Fingerprint != first.Fingerprint || again.Dir != first.Dir || w.said("all as they were written") != 2 || w.said(" UTC, nothing has changed since") != 1 {
		t.Errorf("%+v\n%s", again, w.Log)
	}
	w.edit = func(o *pack.Options) { o.NoVerify = true }
	if again := w.packed(); again.Fingerprint != "" || again.Bundle != first.Bundle || w.said("was not read back") != 1 {
		t.Errorf("not read back: %+v\n%s", again, w.Log)
	}
	gone := filepath.Join(w.dir, "README.txt")
	body, err := os.ReadFile(gone)
	if err = errors.Join(err, os.Remove(gone)); err != nil {
		t.Fatal(err)
	}
	var damage *bundle.DamageError
	if r, err := w.pack(); r != nil || !errors.As(err, &damage) || !damage.Whole {
		t.Errorf("without README.txt: %+v, %v", r, err)
	}
	if err := os.WriteFile(gone, body, 0o644); err != nil {
		t.Fatal(err)
	}
	name := flip(t, w.dir)
	if again := w.packed(); again.Fingerprint != "" {
		t.Errorf("a fingerprint of what was not read back: %+v", again)
	}
	w.edit = nil
	if r, err := w.pack(); r != nil || !errors.As(err, &damage) || len(damage.Faults) != 1 || damage.Faults[0].File != name {
		t.Errorf("a flipped bit: %+v, %v", r, err)
	}
	w.edit = func(o *pack.Options) { o.NoVerify = true }
	if err := os.Truncate(filepath.Join(w.dir, name), 10); err != nil {
		t.Fatal(err)
	}
	if r, err := w.pack(); r != nil || !errors.As(err, &damage) || damage.Faults[0].File != name {
		t.Errorf("a segment cut short, not read back: %+v, %v", r, err)
	}
}

// TestNotReadBack prints no fingerprint of a bundle that was not read back, the first time.
func TestNotReadBack(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 17)
	w.edit = func(o *pack.Options) { o.NoVerify = true }
	first := w.packed()
	if first.Fingerprint != "" || w.said("was not read back") != 1 || w.said("as they were written") != 0 {
		t.Errorf("%+v\n%s", first, w.Log)
	}
	w.edit = nil
	if again := w.packed(); again.Fingerprint == "" || again.Bundle != first.Bundle {
		t.Errorf("read back: %+v", again)
	}
}

// TestAgainMoved has a tag move: the finished bundle is not taken for what is wanted.
func TestAgainMoved(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 12)
	first := w.packed()
	before := w.Open(first.Dir).Inventory().Images[0]
	w.push("team/app")
	var changed *pack.ChangedError
	r, err := w.pack()
	if r != nil || !errors.As(err, &changed) || changed.Bundle != first.Bundle || len(changed.Moved) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if moved := changed.Moved[0]; !strings.HasPrefix(moved, before.Source.String()+": "+before.Root.Digest.String()+" -> sha256:") || w.said(moved) != 1 {
		t.Errorf("%q\n%s", moved, w.Log)
	}
	if w.said("all as they were written") != 1 {
		t.Errorf("it was read back all the same:\n%s", w.Log)
	}
}

// TestAgainAway has the registry away: the bundle is read back, and not said to be the one.
func TestAgainAway(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 13)
	first := w.packed()
	w.Proxy.Answer = func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	var away *transport.RegistryError
	var uncompared *pack.UncomparedError
	r, err := w.pack()
	if r != nil || !errors.As(err, &uncompared) || !uncompared.Verified || !errors.As(err, &away) || w.said("all as they were written") != 2 {
		t.Errorf("%+v, %v\n%s", r, err, w.Log)
	}
	if uncompared.Fingerprint != first.Fingerprint || uncompared.Hint() != "" || away.Hint() == "" {
		t.Errorf("fingerprint %q, hints %q and %q", uncompared.Fingerprint, uncompared.Hint(), away.Hint())
	}
	w.edit = func(o *pack.Options) { o.NoVerify = true }
	if r, err := w.pack(); r != nil || !errors.As(err, &uncompared) || uncompared.Fingerprint != "" {
		t.Errorf("not read back: %+v, %v", r, err)
	}
	w.edit = nil
	flip(t, w.dir)
	var damage *bundle.DamageError
	if r, err := w.pack(); r != nil || !errors.As(err, &damage) {
		t.Errorf("damaged: %+v, %v", r, err)
	}
}

// TestUncomparedOfSeveral names the bundle that was read back, and those that nobody looked at.
func TestUncomparedOfSeveral(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	older := []bundle.SealedError{{Dir: "/d/satchel-b", Created: day.AddDate(0, 0, -7)}, {Dir: "/d/satchel-c", Created: day.AddDate(0, 0, -14)}}
	e := &pack.UncomparedError{Dir: "/d/satchel-a", Bundle: "a", Packed: day, Verified: true, Others: older}
	const want = "the drive holds 3 bundles of this configuration, and only this one was read back; not looked at: /d/satchel-b (packed on 2026-04-24 10:00 UTC), /d/satchel-c (packed on 2026-04-17 10:00 UTC)"
	if got := e.Error(); !strings.HasPrefix(got, "bundle a in /d/satchel-a, packed on 2026-05-01 10:00 UTC, is whole") || !strings.HasSuffix(got, want) {
		t.Error(got)
	}
	if e.Verified = false; strings.Contains(e.Error(), "read back") || strings.Contains(e.Error(), "whole") {
		t.Error(e)
	}
	if e.Others = nil; strings.Contains(e.Error(), "holds") {
		t.Error(e)
	}
}

// TestAgainGaps fills a gap: until the source gives all of the image, right to the end
// of its layers, the bundle is as good as it can be.
func TestAgainGaps(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 14)
	refused := "manifest"
	w.Proxy.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		_, path, _ := strings.Cut(r.URL.Path, "/team/other/")
		if refused == "" || !strings.HasPrefix(path, refused) || r.Method == http.MethodHead && refused == "blobs" {
			return false
		}
		http.Error(rw, `{"errors":[{"code":"DENIED"}]}`, http.StatusForbidden)
		return true
	}
	if _, err := w.pack(); err == nil {
		t.Fatal("a gap that nobody allowed")
	}
	w.edit = func(o *pack.Options) { o.KeepGoing = true }
	first := w.packed()
	if len(first.Gaps.Images) != 1 {
		t.Fatalf("%+v\n%s", first.Gaps, w.Log)
	}
	w.edit = nil // what is known need not be allowed again
	for _, refused = range []string{"manifest", "blobs"} {
		if again := w.packed(); again.Fingerprint != first.Fingerprint || len(again.Gaps.Images) != 1 {
			t.Errorf("%s refused: %+v", refused, again)
		}
	}
	refused = ""
	var changed *pack.ChangedError
	if r, err := w.pack(); !errors.As(err, &changed) || len(changed.Moved) != 1 || !strings.Contains(changed.Moved[0], "/team/other:v1 is new") {
		t.Errorf("filled: %+v, %v", r, err)
	}
}

// TestAgainBeside packs into the root of a drive: what is other content gets a directory of
// its own, once.
func TestAgainBeside(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 15)
	w.dir = t.TempDir()
	if out, err := proctest.Command(t, "mount", "-t", "tmpfs", "-o", "size=64m", "satchel-test", w.dir).CombinedOutput(); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := proctest.Command(t, "umount", w.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	first := w.packed()
	digest := w.Open(first.Dir).Inventory().Images[0].Root.Digest.String()
	if again := w.packed(); again.Dir != first.Dir {
		t.Errorf("nothing changed: %+v", again)
	}
	flip(t, first.Dir) // does not matter to this week's
	w.push("team/app")
	second := w.packed()
	if second.Dir == first.Dir || filepath.Dir(second.Dir) != w.dir || w.said(digest+" -> sha256:") != 1 {
		t.Errorf("a tag moved: %+v\n%s", second, w.Log)
	}
	if again := w.packed(); again.Fingerprint != second.Fingerprint {
		t.Errorf("nothing changed since the second: %+v", again)
	}
	flip(t, first.Dir) // back
	w.Proxy.Answer = func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	var uncompared *pack.UncomparedError
	if _, err := w.pack(); !errors.As(err, &uncompared) || len(uncompared.Others) != 1 || uncompared.Others[0].Dir == uncompared.Dir {
		t.Errorf("its registry is away: %v", err)
	}
	w.Proxy.Answer = nil
	flip(t, first.Dir)
	w.edit = func(o *pack.Options) { o.Restart = true }
	if again := w.packed(); again.Fingerprint != second.Fingerprint || w.said("nothing to restart") != 1 {
		t.Errorf("a restart of what is finished, and nothing changed: %+v\n%s", again, w.Log)
	}
	w.edit = nil
	one := w.set
	w.set = jobtest.Images(w.push("team/third"))
	third := w.packed()
	checkWhole(t, w.Bench, third, "team/third:v1")
	w.set = one
	if again := w.packed(); again.Fingerprint != second.Fingerprint {
		t.Errorf("the first configuration again: %+v", again)
	}
	forgetEnd(t, w.Pack(prepare.Options{}, "").State, first.Bundle) // nor is its run one to be ended
	if again := w.packed(); again.Fingerprint != second.Fingerprint {
		t.Errorf("the first one was interrupted: %+v", again)
	}
	if list, err := filepath.Glob(filepath.Join(w.dir, "satchel-*")); err != nil || len(list) != 3 {
		t.Errorf("%v, %v", list, err)
	}
	if err := os.RemoveAll(w.Pack(prepare.Options{}, "").State); err != nil {
		t.Fatal(err)
	}
	if r := w.packed(); r.Dir == second.Dir || r.Dir == first.Dir {
		t.Errorf("without a journal: %+v", r)
	}
}

// forgetEnd has the journal of a bundle say no more that it was read back.
func forgetEnd(t *testing.T, state, id string) {
	t.Helper()
	file := filepath.Join(state, "bundles", id, "journal")
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(body), "\n"), func(l string) bool { return strings.HasPrefix(l, `{"verified"`) })
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAgainInterrupted ends a run that was interrupted after the seal: it has what was
// pinned when it began, and is compared from then on.
func TestAgainInterrupted(t *testing.T) {
	t.Parallel()
	w := newWeekly(t, 16)
	ctx, cancel := context.WithCancel(t.Context())
	w.edit = func(o *pack.Options) { o.To.Reporter = cancels{cancel} }
	o := w.Pack(w.Prepare(w.set), "")
	o.Dir = w.dir
	w.edit(&o)
	if _, err := pack.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v\n%s", err, w.Log)
	}
	w.edit = nil
	w.push("team/app")
	if r := w.packed(); r.Fingerprint == "" || w.said("content pinned on ") != 1 || w.said("all as they were written") != 1 {
		t.Errorf("%+v\n%s", r, w.Log)
	}
	var changed *pack.ChangedError
	if r, err := w.pack(); !errors.As(err, &changed) {
		t.Errorf("%+v, %v", r, err)
	}
}

// cancels ends a run when it begins to verify.
type cancels struct{ cancel func() }

func (c cancels) Progress(what string, _, _ int64) notice.Progress {
	if what == "verifying" {
		c.cancel()
	}
	return notice.To{}.Progress(what, 0, 0)
}
