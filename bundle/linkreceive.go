package bundle

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// Arrival is what has arrived of a bundle over a one-way link.
type Arrival struct {
	Bundle      string      // its ID, or the first characters where no manifest has arrived
	Fingerprint Fingerprint // of its seal, "" if that is not sent
	Dir         string      // where the bundle is, or will be
	Files       int         // numbered files of the bundle; 0 where no manifest has arrived
	Bytes       int64       // in them
	Here        int         // of the files
	HereBytes   int64
	Missing     []int // numbers
	List        LinkList
	Wrong       []Fault  // files that look like some of the bundle's, and are not
	Notes       []string // what else was seen
}

// ReceiveOptions say how arrived files are looked at.
type ReceiveOptions struct {
	Wanted
	Bundle   string            // ID; "": of any, if there is one alone
	Begin    func(bytes int64) // called once it is known how much there is to read, at most; may be nil
	Progress func(bytes int64) // called with the bytes just read; may be nil
}

// Receive looks at the files that a one-way link has put into dir, whatever it has called them:
// they are known by their content. Files that are whole go into a directory of the bundle's
// own, satchel-<id>, below dir. When all are there, that is completed and verified. It gives
// nil if no file of a bundle is there. Errors are a *[RefusedError] if files of several bundles
// are there and none is named, a *[FingerprintError] if none is of the one that is wanted, and
// those of [Verify].
func Receive(ctx context.Context, dir string, opts ReceiveOptions) (*Arrival, error) {
	if opts.Progress == nil {
		opts.Progress = func(int64) {}
	}
	r := &receiver{dir: dir, opts: opts}
	if err := r.scan(); err != nil {
		return nil, err
	}
	link, err := r.choose()
	if err != nil {
		return nil, err
	}
	if link == nil {
		return r.unknown(), nil
	}
	r.link = link
	if opts.Begin != nil {
		all := link.Bytes()
		for _, f := range r.files {
			all += f.size
		}
		opts.Begin(all)
	}
	return r.receive(ctx)
}

// arrived is one file below the directory.
type arrived struct {
	name string // below it
	size int64
}

type receiver struct {
	dir   string
	opts  ReceiveOptions
	files []arrived
	links []*Link // by the manifests that are there, the newest last
	wrong []Fault
	notes []string

	link *Link
	into map[*linkDrive]*Copying
	have map[int]arrived // numbers of files that are whole
	done map[int]bool    // those that are in place already
}

// mostArrived is how many files are looked at below a directory.
const mostArrived = 200_000

// scan lists the regular files in the directory and two levels below it, but for bundles that
// were put together there.
func (r *receiver) scan() error {
	if _, err := os.Stat(r.dir); err != nil {
		return &NoBundleError{Dir: r.dir, Absent: true}
	}
	level := []string{"."}
	for range searchDepth + 1 {
		var next []string
		for _, sub := range level {
			entries, err := os.ReadDir(filepath.Join(r.dir, sub))
			if err != nil {
				return &media.Error{Op: "look into", Path: filepath.Join(r.dir, sub), Err: err}
			}
			for _, e := range entries {
				name := path.Join(sub, e.Name())
				id, ours := strings.CutPrefix(e.Name(), dirPrefix)
				switch {
				case e.IsDir() && !isIgnored(e.Name()) && !(ours && seal.IsID(id)):
					next = append(next, name)
				case e.Type().IsRegular() && len(r.files) == mostArrived:
					r.notes = append(r.notes, fmt.Sprintf("%s holds more than %d files: not all were looked at", r.dir, mostArrived))
					return nil
				case e.Type().IsRegular():
					if info, err := e.Info(); err == nil {
						r.files = append(r.files, arrived{name, info.Size()})
					}
				}
			}
		}
		level = next
	}
	return nil
}

// choose reads the manifests, and gives the one of the bundle that is meant; nil if there is
// none.
func (r *receiver) choose() (*Link, error) {
	var others []Fingerprint
	for _, f := range r.files {
		body, ok := r.readManifest(f)
		if !ok || slices.ContainsFunc(r.links, func(l *Link) bool { return bytes.Equal(l.manifest, body) }) {
			continue
		}
		l, err := parseLink(body)
		switch {
		case err != nil:
			r.wrong = append(r.wrong, Fault{f.name, "is no manifest that can be used: " + err.Error()})
		case r.opts.Expect != "" && l.Fingerprint != r.opts.Expect:
			others = append(others, l.Fingerprint)
			r.wrong = append(r.wrong, Fault{f.name, "is the manifest of another bundle, " + l.Bundle})
		case r.opts.Bundle != "" && l.Bundle != r.opts.Bundle:
		default:
			r.links = append(r.links, l)
		}
	}
	if len(r.links) == 0 && len(others) > 0 {
		return nil, &FingerprintError{Want: r.opts.Expect, Got: others[0]}
	}
	if len(r.links) == 0 {
		return nil, nil
	}
	for _, l := range r.links[1:] {
		if l.Bundle != r.links[0].Bundle || l.Fingerprint != r.links[0].Fingerprint {
			return nil, &RefusedError{Dir: r.dir, Reason: fmt.Sprintf("there are manifests of two bundles: %s (fingerprint %s) and %s (%s)", r.links[0].Bundle, r.links[0].Fingerprint, l.Bundle, l.Fingerprint),
				hint: "say which one is meant, by its fingerprint"}
		}
	}
	return r.best(), nil
}

// best is, of several sendings of one bundle, the one of which most is there by the sizes.
func (r *receiver) best() *Link {
	if len(r.links) > 1 {
		r.notes = append(r.notes, "the bundle was sent more than once, with other key files, signatures or sizes of files: what has most files here is taken")
	}
	sizes := map[int64]bool{}
	for _, f := range r.files {
		sizes[f.size] = true
	}
	return slices.MaxFunc(r.links, func(a, b *Link) int {
		count := func(l *Link) (n int) {
			for _, f := range l.Files {
				if sizes[f.Size] {
					n++
				}
			}
			return n
		}
		return cmp.Compare(count(a), count(b))
	})
}

// readManifest reads a file that begins like a manifest.
func (r *receiver) readManifest(f arrived) ([]byte, bool) {
	if f.size < int64(len(linkHead)) || f.size > maxLinkManifest {
		return nil, r.cutManifest(f)
	}
	file, err := os.Open(filepath.Join(r.dir, f.name))
	if err != nil {
		return nil, false
	}
	defer func() { _ = file.Close() }() // it is only read
	head := make([]byte, len(linkHead))
	if _, err := io.ReadFull(file, head); err != nil || string(head) != linkHead {
		return nil, r.cutManifest(f)
	}
	rest, err := io.ReadAll(io.LimitReader(file, maxLinkManifest))
	return append(head, rest...), err == nil
}

// cutManifest notes a file that is called a manifest and is none.
func (r *receiver) cutManifest(f arrived) bool {
	if linkManifestPattern.MatchString(strings.ToLower(f.name)) {
		r.wrong = append(r.wrong, Fault{f.name, "is no manifest: it is cut, or was changed"})
	}
	return false
}

// unknown says what can be said without a manifest: nil if no file is called like a bundle's.
func (r *receiver) unknown() *Arrival {
	for _, f := range r.files {
		m := linkNamePattern.FindStringSubmatch(strings.ToLower(f.name))
		if m == nil {
			m = linkManifestPattern.FindStringSubmatch(strings.ToLower(f.name))
		}
		if m != nil {
			return &Arrival{Bundle: m[1], Wrong: r.wrong, List: LinkList{id: m[1]}}
		}
	}
	return nil
}

func (r *receiver) receive(ctx context.Context) (a *Arrival, err error) {
	defer func() {
		for _, c := range r.into {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := r.open(); err != nil {
		return nil, err
	}
	if err := r.compare(ctx); err != nil {
		return nil, err
	}
	if err := r.place(ctx); err != nil {
		return nil, err
	}
	a = r.arrival()
	if len(a.Missing) > 0 {
		return a, nil
	}
	for _, d := range r.link.drives {
		if err := r.complete(ctx, d); err != nil {
			return a, err
		}
	}
	return a, r.verify(ctx)
}

func (r *receiver) home() string { return filepath.Join(r.dir, dirPrefix+r.link.Bundle) }

// place of a drive: the bundle's directory, or one in it for each of several.
func (r *receiver) placeOf(d *linkDrive) string {
	if len(r.link.drives) == 1 && d.number == 1 {
		return r.home()
	}
	return filepath.Join(r.home(), fmt.Sprintf("drive-%02d", d.number))
}

// open looks at what is in place already.
func (r *receiver) open() (err error) {
	r.into, r.have, r.done = map[*linkDrive]*Copying{}, map[int]arrived{}, map[int]bool{}
	for _, d := range r.link.drives {
		o := &Original{Dir: filepath.Join(r.dir, "what has arrived"), Bundle: r.link.Bundle, Drive: d.number, files: d.all, bodies: map[string][]byte{}}
		for _, name := range []string{seal.DriveName, seal.BundleName} {
			if body, ok := d.small[name]; ok {
				o.bodies[name] = body
			}
		}
		if r.into[d], err = o.CopyInto(r.placeOf(d)); err != nil {
			return err
		}
	}
	for _, f := range r.link.Files {
		if size, ok := r.into[f.drive].found[f.file.Name]; ok && size == f.file.Size {
			r.done[f.Number] = true // it was hashed before it came there, and is again at the end
		}
	}
	return nil
}

// compare finds the files by their content: by their sizes, then by their hashes.
func (r *receiver) compare(ctx context.Context) error {
	bySize := map[int64][]LinkFile{}
	for _, f := range r.link.Files {
		bySize[f.Size] = append(bySize[f.Size], f)
	}
	d, err := media.OpenDir(r.dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // it is only read
	for _, a := range r.files {
		named := linkNumber(a.name, r.link.Bundle)
		may := bySize[a.size]
		if len(may) == 0 {
			r.misfit(a, named)
			continue
		}
		if named == 0 && !slices.ContainsFunc(may, func(f LinkFile) bool { return !r.done[f.Number] }) {
			continue // nothing of that size is wanted any more
		}
		got, err := hashFile(ctx, d, a.name, false, r.opts.Progress)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.wrong = append(r.wrong, Fault{a.name, "cannot be read: " + err.Error()})
			continue
		}
		found := false
		for _, f := range may {
			if f.sha256 == got.SHA256 {
				r.have[f.Number], found = a, true
			}
		}
		if !found && named > 0 {
			r.wrong = append(r.wrong, Fault{a.name, "has other bytes than it must have"})
		}
	}
	return nil
}

// misfit notes a file whose name is that of a link file, and whose size is that of none.
func (r *receiver) misfit(a arrived, named int) {
	switch {
	case named == 0:
	case named > len(r.link.Files):
		r.wrong = append(r.wrong, Fault{a.name, fmt.Sprintf("is none of the bundle's: it has %d files", len(r.link.Files))})
	case a.size < r.link.Files[named-1].Size:
		r.wrong = append(r.wrong, Fault{a.name, fmt.Sprintf("is cut, or has not arrived as a whole yet: it has %d of %d bytes", a.size, r.link.Files[named-1].Size)})
	default:
		r.wrong = append(r.wrong, Fault{a.name, fmt.Sprintf("has %d bytes in place of %d", a.size, r.link.Files[named-1].Size)})
	}
}

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
		if err := os.Rename(from, to); err != nil {
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

func (r *receiver) arrival() *Arrival {
	a := &Arrival{Bundle: r.link.Bundle, Fingerprint: r.link.Fingerprint, Dir: r.home(), Files: len(r.link.Files), Bytes: r.link.Bytes(), Wrong: r.wrong, Notes: r.notes}
	for _, f := range r.link.Files {
		_, ok := r.have[f.Number]
		if ok || r.done[f.Number] {
			a.Here++
			a.HereBytes += f.Size
		} else {
			a.Missing = append(a.Missing, f.Number)
		}
	}
	if len(a.Missing) > 0 {
		a.List = r.link.Missing(a.Missing)
	}
	return a
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
	bad, err := w.readBack(ctx)
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
	if r.link.Fingerprint == "" {
		return nil
	}
	return errors.Join(CheckSizes(ctx, []string{r.home()}, Wanted{Expect: r.link.Fingerprint, Trust: r.opts.Trust}), Release(r.home()))
}
