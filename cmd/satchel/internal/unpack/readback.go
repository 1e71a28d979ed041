package unpack

import (
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
	list, err := u.mirror.Stored(ctx, u.r, u.images)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(d transport.Delivery) bool { return oci.IsForeign(d.Blob.MediaType) && !u.r.Has(d.Blob) })
	return u.readBackOf(ctx, list, u.push)
}

// readBackOf is readBack of these blobs. Without push, what is wrong is an error at once.
func (u *unpacking) readBackOf(ctx context.Context, list []transport.Delivery, push func(context.Context, []transport.Delivery) error) error {
	seen := u.openSeen()
	defer seen.close()
	todo := slices.DeleteFunc(slices.Clone(list), func(d transport.Delivery) bool { return seen.has[d.Blob.Digest] })
	if n := len(list) - len(todo); n > 0 {
		u.Info("not read again: %s, checked by an earlier run that did not end", text.Count(n, "blob", "blobs"))
	}
	u.Info("%s to read back from the mirror, %s", text.Count(len(todo), "blob", "blobs"), bundle.FormatSize(total(todo)))
	wrong, err := u.readEach(ctx, todo, seen)
	if err != nil {
		return err
	}
	times := 0
	if len(wrong) > 0 && push != nil {
		times = 1
		u.Warn("the mirror has wrong bytes for %s, or lacks them; they are pushed again", text.Count(len(wrong), "blob", "blobs"))
		if err := push(ctx, wrong); err != nil {
			return err
		}
		if wrong, err = u.readEach(ctx, wrong, seen); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		errs := make([]error, len(wrong))
		for i, d := range wrong {
			errs[i] = &transport.BlobError{Repo: d.Repos[0], Blob: d.Blob, Fault: "its bytes are wrong when they are read back", Times: times}
		}
		if push == nil {
			u.Warn("nothing can be pushed without the drive: connect it and run the same command with its directory")
		}
		return errors.Join(errs...)
	}
	seen.remove()
	u.Info("read back from the mirror: %s, all whole", text.Count(len(list), "blob", "blobs"))
	return nil
}

func (u *unpacking) readEach(ctx context.Context, list []transport.Delivery, seen *seen) ([]transport.Delivery, error) {
	bar := u.Progress("reading back", 0, total(list))
	defer bar.End()
	return u.mirror.ReadBack(ctx, list, bar.Add, seen.add)
}

// seen is which blobs were read back, kept on this host until the reading ends.
type seen struct {
	mu  sync.Mutex
	f   *os.File // nil where nothing can be kept
	has map[digest.Digest]bool
}

// place is the file of that name for this mirror and bundle; "" without a state directory.
func (u *unpacking) place(name string) string {
	if u.State == "" {
		return ""
	}
	mirror := oci.Digest([]byte(u.Site.Mirror.String())).Encoded()[:16]
	return filepath.Join(u.State, "mirrors", mirror, name+"-"+u.bundle)
}

// openSeen reads what an earlier run has seen, if that was not long ago.
func (u *unpacking) openSeen() *seen {
	s := &seen{has: map[digest.Digest]bool{}}
	file := u.place("read")
	if file == "" {
		return s
	}
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if info, serr := os.Stat(file); serr == nil && time.Since(info.ModTime()) > readAgainAfter {
		err = errors.Join(err, os.Remove(file))
	}
	body, rerr := os.ReadFile(file)
	if rerr == nil {
		for line := range strings.Lines(string(body)) {
			if d := digest.Digest(strings.TrimSuffix(line, "\n")); strings.HasSuffix(line, "\n") && oci.CheckDigest(d) == nil {
				s.has[d] = true
			}
		}
	}
	if err == nil {
		s.f, err = os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	}
	if err != nil {
		u.Warn("it cannot be recorded which blobs were read back, so after an interruption all of them are read again: %v", err)
		s.f = nil
	}
	return s
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
	if s.f != nil {
		_ = os.Remove(s.f.Name()) // it grows old
	}
}
