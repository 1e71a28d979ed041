package bundle

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// place moves what is whole into the bundle's directory. Parts wait until all of their file
// are there.
func (r *receiver) place(ctx context.Context) error {
	used := map[string]bool{}
	for i := 0; i < len(r.link.Files); {
		f, n := r.link.Files[i], i+1
		for n < len(r.link.Files) && r.link.Files[n].drive == f.drive && r.link.Files[n].file.Name == f.file.Name {
			n++
		}
		whole := true
		for _, p := range r.link.Files[i:n] {
			a, ok := r.have[p.Number]
			if used[a.name] { // two files of the bundle with the same bytes need two that arrive
				delete(r.have, p.Number)
				ok = false
			}
			whole = whole && ok && !r.done[p.Number]
		}
		for _, p := range r.link.Files[i:n] {
			if a, ok := r.have[p.Number]; ok && !r.done[p.Number] {
				used[a.name] = true
			}
		}
		if whole {
			if err := r.take(ctx, r.link.Files[i:n]); err != nil {
				return err
			}
		}
		i = n
	}
	return nil
}

// take puts one file of the bundle in its place. What the link put somewhere else is moved,
// or joined and removed.
func (r *receiver) take(ctx context.Context, list []LinkFile) error {
	f := list[0]
	c := r.into[f.drive]
	if err := r.makeHome(c); err != nil {
		return err
	}
	to := filepath.Join(c.path, f.file.Name)
	if len(list) == 1 {
		from := filepath.Join(r.dir, r.have[f.Number].name)
		if err := media.SyncFile(from); err != nil { // whoever wrote it may not have done that
			return err
		}
		if err := os.Rename(from, to); errors.Is(err, syscall.EXDEV) { // the link's directory is on another file system
			if err := r.join(ctx, c, list); err != nil {
				return err
			}
		} else if err != nil {
			return &media.Error{Op: "move " + from + " to", Path: to, Err: err}
		}
	} else if err := r.join(ctx, c, list); err != nil {
		return err
	}
	c.found[f.file.Name] = f.file.Size
	for _, p := range list {
		r.done[p.Number] = true
	}
	return nil
}

// makeHome makes the directory of a drive, with what says whose it is.
func (r *receiver) makeHome(c *Copying) error {
	if _, err := MakeDir(r.home()); err != nil {
		return err
	}
	return c.start()
}

// join writes a file from its parts, and then removes them.
func (r *receiver) join(ctx context.Context, c *Copying, list []LinkFile) error {
	p, err := c.into.Create(list[0].file.Name)
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := cmp.Or(ctx.Err(), r.appendTo(p, r.have[f.Number].name)); err != nil {
			return errors.Join(err, p.Abort())
		}
	}
	if err := p.Commit(); err != nil {
		return err
	}
	for _, f := range list {
		if err := os.Remove(filepath.Join(r.dir, r.have[f.Number].name)); err != nil {
			return &media.Error{Op: "remove", Path: r.have[f.Number].name, Err: err}
		}
	}
	return nil
}

func (r *receiver) appendTo(w io.Writer, name string) error {
	file, err := os.Open(filepath.Join(r.dir, name))
	if err != nil {
		return &media.Error{Op: "open", Path: name, Err: err}
	}
	_, err = io.Copy(w, file)
	return errors.Join(err, file.Close())
}

// complete writes the small files of a drive and the second copies, reads all of it back, and
// gives the seals their names.
func (r *receiver) complete(ctx context.Context, d *linkDrive) error {
	c := r.into[d]
	if err := r.makeHome(c); err != nil {
		return err
	}
	for _, name := range d.smallNames() {
		if turn(name) == turnSeals {
			continue
		}
		if err := c.writeUnlessThere(ctx, seal.FileOf(name, d.small[name]), d.small[name]); err != nil {
			return err
		}
	}
	w := &copyWriter{Copying: c, CopyOptions: CopyOptions{Progress: r.opts.Progress}, written: map[string]bool{}}
	for _, f := range d.all {
		base, second := strings.CutPrefix(f.Name, seal.CopyDir+"/")
		if !second || turn(f.Name) == turnSeals {
			continue
		}
		if body, ok := d.small[base]; ok {
			if err := c.writeUnlessThere(ctx, f, body); err != nil {
				return err
			}
		} else if err := w.secondCopy(ctx, base, f); err != nil {
			return err
		}
	}
	if err := media.SyncAll(c.path); err != nil { // what was only moved may not be on the disk yet
		return err
	}
	bad, err := w.readBack(ctx, nil)
	if err != nil {
		return err
	}
	var names []string
	for _, f := range bad {
		names = append(names, f.Name)
	}
	if len(bad) > 0 {
		slices.Sort(names)
		return cmp.Or(c.into.Remove(names...), error(&ReadBackError{c.path, names}))
	}
	return c.finish(ctx)
}

func (c *Copying) writeUnlessThere(ctx context.Context, f seal.File, body []byte) error {
	if ok, err := c.has(ctx, f.Name, f); ok || err != nil {
		return err
	}
	return c.into.WriteFile(f.Name, body)
}

// secondCopy makes copy/NAME of NAME.
func (w *copyWriter) secondCopy(ctx context.Context, base string, f seal.File) error {
	if ok, err := w.has(ctx, f.Name, f); ok || err != nil {
		return err
	}
	src, err := w.into.Open(base)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // it is only read
	p, err := w.into.Create(f.Name)
	if err != nil {
		return err
	}
	if _, rerr, werr := w.pass(ctx, p, src, f.Size); rerr != nil || werr != nil {
		return errors.Join(rerr, werr, p.Abort())
	}
	return p.Commit()
}

// verify looks at the bundle as everybody else will.
func (r *receiver) verify(ctx context.Context) error {
	if len(r.link.Away) > 0 {
		return errors.Join(Release(r.home()), &AwayError{
			Drives: r.link.Away, Why: "all that was sent has arrived, in " + r.home() + ", and that is not the whole bundle",
			hint: "send all drives of the bundle together, from the other side: satchel copy --link DIR SRC SRC",
		})
	}
	return errors.Join(CheckSizes(ctx, []string{r.home()}, Wanted{Expect: r.link.Fingerprint, Trust: r.opts.Trust}), Release(r.home()))
}
