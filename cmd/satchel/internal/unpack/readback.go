package unpack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// readAgainAfter is how long it counts that a blob was read back by a run that did not end.
const readAgainAfter = 24 * time.Hour

// readBack reads every blob of the bundle back from the mirror and hashes it, pushes what
// is wrong again, and reads that again. What an interrupted run has read is not read twice.
func (u *unpacking) readBack(ctx context.Context) error {
	list, err := u.stored(ctx)
	if err != nil {
		return err
	}
	return u.readBackOf(ctx, list, func(ctx context.Context, wrong []transport.Delivery) error {
		if err := u.begun(ctx); err != nil {
			return err
		}
		return u.push(ctx, wrong)
	})
}

// stored lists what the mirror is to have of what the bundle carries.
func (u *unpacking) stored(ctx context.Context) ([]transport.Delivery, error) {
	list, err := u.mirror.Stored(ctx, u.src, u.images)
	return slices.DeleteFunc(list, func(d transport.Delivery) bool { return oci.IsForeign(d.Blob.MediaType) && !u.carries(d.Blob) }), err
}

// readSuspects reads whole, in the mirror, what was wrong there when it was last read, and adds
// what still is to what is missing. A dry run of a full look reads everything.
func (u *unpacking) readSuspects(ctx context.Context, missing *transport.Missing) error {
	full := u.DryRun && u.Verify == transport.VerifyFull
	if !full && len(u.doubts.about(wrong)) == 0 {
		return nil
	}
	list, err := u.stored(ctx)
	if err != nil {
		return err
	}
	suspects := u.suspects(list)
	switch {
	case full:
		suspects = list
		u.Info("%s to read back from the mirror, %s", text.Count(len(list), "blob", "blobs"), bundle.FormatSize(total(list)))
	case len(suspects) == 0:
		return nil
	default:
		u.Info("read back from the mirror, because an earlier run found wrong bytes there or could not read them: %s, %s", text.Count(len(suspects), "blob", "blobs"), bundle.FormatSize(total(suspects)))
	}
	bad, err := u.readEach(ctx, suspects, &seen{})
	if err != nil {
		return err
	}
	u.looked = true
	var damaged []transport.Delivery
	for _, d := range bad {
		if full && d.Fault != "" { // not only absent
			damaged = append(damaged, d)
		}
		missing.Blobs = joined(missing.Blobs, d)
	}
	if err := unmended(damaged, 0); err != nil {
		return &WrongError{err, "run the same command without --dry-run: it pushes them again, and looks again"}
	}
	return nil
}

// joined adds a delivery to a list, sorted by digest, that has one for each blob. Nothing is
// mounted where one of the blob's copies is wrong.
func joined(list []transport.Delivery, d transport.Delivery) []transport.Delivery {
	i, there := slices.BinarySearchFunc(list, d, func(a, b transport.Delivery) int { return cmp.Compare(a.Blob.Digest, b.Blob.Digest) })
	if !there {
		return slices.Insert(list, i, d)
	}
	list[i].From = oci.Ref{}
	for _, repo := range d.Repos {
		if !slices.Contains(list[i].Repos, repo) {
			list[i].Repos = append(list[i].Repos, repo)
		}
	}
	return list
}

// mended reads again what was wrong before it was pushed.
func (u *unpacking) mended(ctx context.Context, pushed []transport.Delivery) error {
	bad, err := u.readEach(ctx, u.suspects(u.taken(pushed)), &seen{})
	if err != nil {
		return err
	}
	return unmended(bad, 1)
}

// taken is a list of what was pushed without blobs that only images need which were left out.
func (u *unpacking) taken(pushed []transport.Delivery) []transport.Delivery {
	out := u.mirror.Refused()
	return slices.DeleteFunc(slices.Clone(pushed), func(d transport.Delivery) bool {
		return len(d.Optional) > 0 && !slices.ContainsFunc(d.Optional, func(img oci.Image) bool {
			return !slices.ContainsFunc(out, func(r transport.RefusedImage) bool { return same(r.Image, img) })
		})
	})
}

// unmended is the error for blobs that are wrong after so many pushes.
func unmended(list []transport.Delivery, times int) error {
	errs := make([]error, len(list))
	for i, d := range list {
		errs[i] = &transport.BlobError{Repo: d.Repos[0], Blob: d.Blob, Fault: d.Fault, Times: times}
	}
	return errors.Join(errs...)
}

// readBackOf is readBack of these blobs. Without push, what is wrong is an error at once.
func (u *unpacking) readBackOf(ctx context.Context, list []transport.Delivery, push func(context.Context, []transport.Delivery) error) error {
	seen := u.openSeen()
	defer seen.close()
	is := u.doubts.about(wrong)
	todo := slices.DeleteFunc(slices.Clone(list), func(d transport.Delivery) bool { return seen.has[d.Blob.Digest] && !is[d.Blob.Digest] })
	earlier := len(list) - len(todo)
	if earlier > 0 {
		u.Info("not read again: %s, checked by an earlier run that did not end, since %s; if the registry's host has crashed since then, use --restart", text.Count(earlier, "blob", "blobs"), text.Minute(seen.since))
	}
	u.Info("%s to read back from the mirror, %s", text.Count(len(todo), "blob", "blobs"), bundle.FormatSize(total(todo)))
	bad, err := u.readEach(ctx, todo, seen)
	if err != nil {
		return err
	}
	times := 0
	if len(bad) > 0 {
		seen.remove() // where something is wrong, what was right before proves nothing
	}
	if len(bad) > 0 && push != nil {
		times = 1
		u.Warn("wrong in the mirror, or missing there: %s; pushing again", text.Count(len(bad), "blob", "blobs"))
		if err := push(ctx, bad); err != nil {
			return err
		}
		if bad, err = u.readEach(ctx, u.taken(bad), seen); err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return unmended(bad, times)
	}
	seen.remove()
	u.Info("read back from the mirror: %s, all whole%s", text.Count(len(u.taken(list)), "blob", "blobs"), parted(len(list), earlier))
	return nil
}

// parted says which part of what was read back an earlier run has read.
func parted(all, earlier int) string {
	if earlier == 0 {
		return ""
	}
	return fmt.Sprintf(": %d in this run, %d in an earlier one", all-earlier, earlier)
}

func (u *unpacking) readEach(ctx context.Context, list []transport.Delivery, seen *seen) ([]transport.Delivery, error) {
	if len(list) == 0 {
		return nil, nil
	}
	bar := u.Progress("reading back", 0, total(list))
	defer bar.End()
	defer u.takeOut()
	return u.mirror.ReadBack(ctx, list, bar.Add, func(d transport.Delivery, whole bool) {
		if !whole {
			u.doubtAll(doubted(wrong, []transport.Delivery{{Blob: d.Blob, Repos: d.Repos[:1]}}))
			return
		}
		seen.add(d.Blob)
		u.proved(doubted(wrong, []transport.Delivery{{Blob: d.Blob, Repos: d.Repos[:1]}}))
	})
}

// seen is which blobs were read back, kept on this host until the reading ends.
type seen struct {
	mu  sync.Mutex
	f   *os.File // nil where nothing can be kept
	has map[digest.Digest]bool

	since time.Time // when the first of them was read
}

// place is the file of that name for this mirror and bundle; "" without a state directory.
func (u *unpacking) place(name string) string {
	if u.State == "" {
		return ""
	}
	return filepath.Join(u.mirrorDir(u.Site.Mirror.String()), name+"-"+u.bundle)
}

// mirrorDir is the directory for what is noted of a mirror, or of a registry.
func (u *unpacking) mirrorDir(name string) string {
	return filepath.Join(u.State, "mirrors", oci.Digest([]byte(name)).Encoded()[:16])
}

// openSeen reads what an earlier run has seen, if that was not long ago.
func (u *unpacking) openSeen() *seen {
	s := &seen{has: map[digest.Digest]bool{}}
	file := u.place("read")
	if file == "" {
		return s
	}
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if info, serr := os.Stat(file); serr == nil && (u.Restart || time.Since(info.ModTime()) > readAgainAfter) {
		err = errors.Join(err, os.Remove(file))
	}
	body, rerr := os.ReadFile(file)
	if rerr == nil {
		s.parse(string(body))
	}
	if err == nil {
		s.f, err = os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	}
	if err == nil && s.since.IsZero() {
		s.since = time.Now()
		clear(s.has) // of another version, or cut off: nobody knows how old it is
		_, err = fmt.Fprintf(s.f, "%s\n%s\n", readVersion, s.since.UTC().Format(time.RFC3339))
	}
	if err != nil {
		u.unnoted(err)
		s.f = nil
	}
	return s
}

// parse reads the time at which reading began, and what was read since. A line that was cut
// off is read again.
func (s *seen) parse(body string) {
	for line := range strings.Lines(body) {
		text, whole := strings.CutSuffix(line, "\n")
		if !whole {
			continue
		}
		if at, err := time.Parse(time.RFC3339, text); err == nil && s.since.IsZero() {
			s.since = at
		} else if d := digest.Digest(text); oci.CheckDigest(d) == nil {
			s.has[d] = true
		}
	}
}

// add notes a blob that is whole in the mirror.
func (s *seen) add(d oci.Descriptor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f != nil {
		_, _ = fmt.Fprintf(s.f, "%s\n", d.Digest) // what is lost is read again
	}
}

func (s *seen) close() {
	if s.f != nil {
		_ = s.f.Close() // what is lost is read again
	}
}

// remove forgets what was seen: the next full look reads all again.
func (s *seen) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.f != nil {
		_ = errors.Join(os.Remove(s.f.Name()), s.f.Close()) // if it stays, it grows old
		s.f = nil
	}
}
