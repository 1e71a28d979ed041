package bundle

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// LinkOptions say how link files are written.
type LinkOptions struct {
	CopyOptions
	Waiting func(name string, free int64) // called once when a file has to wait for room; may be nil
}

// mostManifests is how many copies of the manifest are sent with a whole bundle, at most.
const mostManifests = 11

// Send writes link files into dir, from which the link takes them: those with these numbers,
// in their order, and copies of the manifest before, between and after them. A file that is
// there already, whole, stays. Where there is no room, Send waits until the link has taken some
// away. The error is a *[DamageError] that names the files of the bundle that are not as they
// were written; none of those is sent.
func (l *Link) Send(ctx context.Context, dir string, numbers []int, opts LinkOptions) (err error) {
	if opts.Progress == nil {
		opts.Progress = func(int64) {}
	}
	d, err := media.OpenDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	s := &linkSender{Link: l, dir: d, LinkOptions: opts, faults: map[*linkDrive][]Fault{}}
	if err := s.sweep(); err != nil {
		return err
	}
	manifests := min(mostManifests, max(3, len(numbers)))
	if len(numbers) < len(l.Files) {
		manifests = min(manifests, 3)
	}
	for i := range manifests {
		from := i * len(numbers) / (manifests - 1)
		if err := s.writeManifest(ctx, i+1); err != nil {
			return &linkStoppedError{numbers[min(from, len(numbers)):], l, err}
		}
		if i == manifests-1 {
			break
		}
		to := (i + 1) * len(numbers) / (manifests - 1)
		for _, n := range numbers[from:to] {
			if err := s.sendFile(ctx, l.Files[n-1]); err != nil {
				return &linkStoppedError{numbers[slices.Index(numbers, n):], l, err}
			}
		}
	}
	for _, d := range l.drives {
		if faults := s.faults[d]; len(faults) > 0 {
			err = also(err, damageOf(d.from.Dir, faults))
		}
	}
	return err
}

// toSend reads what travels in the manifest, and hashes the parts of files that are cut: a manifest
// cannot say what those of a damaged file must be.
func (d *Original) toSend(ctx context.Context, most int64, progress func(int64)) (*linkDrive, error) {
	faults := d.cannotSend()
	if len(faults) > 0 {
		return nil, damageOf(d.Dir, faults)
	}
	to := &linkDrive{number: d.Drive, from: d, small: map[string][]byte{}, parts: map[string][]string{}}
	for _, f := range d.files {
		var err error
		switch fault, lost := d.lost[f.Name]; {
		case strings.HasPrefix(f.Name, seal.CopyDir+"/"): // made anew from what it is a copy of
		case turn(f.Name) > turnContent:
			to.small[f.Name], err = d.read(f)
		case f.Size > most && lost:
			faults = append(faults, fault)
		case f.Size > most:
			to.parts[f.Name], err = hashParts(ctx, d, f, most, progress)
		}
		if damage, ok := errors.AsType[*DamageError](err); ok {
			faults = append(faults, damage.Faults...)
		} else if err != nil {
			return nil, err
		}
	}
	if len(to.parts) == 0 {
		to.parts = nil
	}
	if len(faults) > 0 {
		return nil, damageOf(d.Dir, faults)
	}
	return to, nil
}

// cannotSend gives all that is lost where a file is among it that travels in the manifest.
func (d *Original) cannotSend() []Fault {
	for name := range d.lost {
		if turn(name) > turnContent && !strings.HasPrefix(name, seal.CopyDir+"/") {
			return slices.SortedFunc(maps.Values(d.lost), func(a, b Fault) int { return cmp.Compare(a.File, b.File) })
		}
	}
	return nil
}

// linkStoppedError adds to an error which files are still to be sent.
type linkStoppedError struct {
	left []int
	link *Link
	err  error
}

func (e *linkStoppedError) Error() string { return e.err.Error() }
func (e *linkStoppedError) Unwrap() error { return e.err }

// LinkLeft gives the list of what a sending that was stopped has not sent, if err is of one.
func LinkLeft(err error) (list LinkList, ok bool) {
	stopped, ok := errors.AsType[*linkStoppedError](err)
	if !ok || len(stopped.left) == 0 {
		return list, false // all was sent, but for a copy of the manifest
	}
	return stopped.link.Missing(stopped.left), true
}

type linkSender struct {
	*Link
	LinkOptions
	dir    *media.Dir
	faults map[*linkDrive][]Fault
}

func (s *linkSender) writeManifest(ctx context.Context, n int) error {
	if err := s.wait(ctx, s.manifestName(n), int64(len(s.manifest))); err != nil {
		return err
	}
	return s.dir.WriteFile(s.manifestName(n), s.manifest)
}

// sendFile writes one file, unless it is there.
func (s *linkSender) sendFile(ctx context.Context, f LinkFile) error {
	name := s.name(f)
	if size, err := s.dir.Stat(name); err == nil && size == f.Size {
		if got, err := hashFile(ctx, s.dir, name, true, nil); err == nil && got.SHA256 == f.sha256 {
			s.Progress(f.Size)
			return nil
		}
	}
	if err := s.wait(ctx, name, f.Size); err != nil {
		return err
	}
	from := f.drive.from
	if fault, lost := from.lost[f.file.Name]; lost {
		s.fault(f, fault.What)
		return nil
	}
	src, err := from.open(f.file.Name)
	if err != nil {
		return s.blame(from, f, err)
	}
	defer func() { _ = src.Close() }() // it is only read
	p, err := s.dir.Create(name)
	if err != nil {
		return err
	}
	h := sha256.New()
	w := &copyWriter{CopyOptions: s.CopyOptions}
	_, rerr, werr := w.pass(ctx, io.MultiWriter(p, h), io.NewSectionReader(src, f.off, f.Size), f.Size)
	switch {
	case werr != nil:
		return errors.Join(werr, p.Abort())
	case rerr != nil:
		return errors.Join(s.blame(from, f, rerr), p.Abort())
	case hex.EncodeToString(h.Sum(nil)) != f.sha256:
		s.fault(f, "has changed: its SHA-256 differs from the recorded one")
		return p.Abort()
	}
	return p.Commit()
}

func (s *linkSender) blame(from *Original, f LinkFile, err error) error {
	if gone := from.dir.Gone(seal.DriveName, err); gone != nil {
		return gone
	}
	s.fault(f, "cannot be read: "+err.Error())
	return nil
}

// fault notes a file that is not sent.
func (s *linkSender) fault(f LinkFile, what string) {
	s.faults[f.drive] = append(s.faults[f.drive], Fault{f.file.Name, what})
}

// linkPatience is how often a full directory is looked at.
const linkPatience = time.Second

// wait waits for room, as long as the link makes enough of it by taking away what is there.
func (s *linkSender) wait(ctx context.Context, name string, size int64) error {
	for told := false; ; told = true {
		room, enough, err := s.room(size)
		if err != nil || enough {
			return err
		}
		most := int64(0)
		for _, size := range s.taken() {
			most += roundUp(size, cmp.Or(room.Cluster, 1))
		}
		if room, enough, err = s.room(size); err != nil || enough { // again: what the link takes meanwhile counts twice, not never
			return err
		}
		if need := size + 5*room.Cluster; room.Free+most < need {
			return &SpaceError{Dir: s.dir.Path(), Need: need, Free: room.Free, Cluster: room.Cluster, Begun: true, MustHold: true}
		}
		if !told && s.Waiting != nil {
			s.Waiting(filepath.Join(s.dir.Path(), name), room.Free)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(linkPatience):
		}
	}
}

// room asks the directory for its room, and whether it is enough for a file.
func (s *linkSender) room(size int64) (room Space, enough bool, err error) {
	room, err = SpaceOf(s.dir.Path())
	return room, err == nil && (room.Unknown || room.Free >= size+5*room.Cluster), err
}

// sweep removes what a killed run has left.
func (s *linkSender) sweep() error {
	files, _, err := s.dir.List(".")
	if err != nil {
		return err
	}
	var names []string
	for _, f := range files {
		if strings.HasPrefix(f.Name, s.Bundle[:idInNames]+"-") && strings.HasSuffix(f.Name, media.TempSuffix) {
			names = append(names, f.Name)
		}
	}
	return s.dir.Remove(names...)
}

// taken gives the sizes of the files in the directory that the link may still take.
func (s *linkSender) taken() (sizes []int64) {
	files, _, err := s.dir.List(".")
	if err != nil {
		return nil
	}
	for _, f := range files {
		if linkNumber(f.Name, s.Bundle) > 0 && !strings.HasSuffix(f.Name, media.TempSuffix) {
			sizes = append(sizes, f.Size)
		}
	}
	return sizes
}

// All gives the numbers of all files.
func (l *Link) All() []int {
	all := make([]int, len(l.Files))
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// String names the link file.
func (f LinkFile) String() string { return fmt.Sprintf("%d (%s)", f.Number, f.file.Name) }
