package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	Plain       bool        // it is not encrypted
	Dir         string      // where the bundle is, or will be
	Files       int         // numbered files of the bundle; 0 where no manifest has arrived
	Bytes       int64       // in them
	Found       int         // files that are here, whatever they are, where no manifest has arrived
	Here        int         // of the files
	HereBytes   int64
	Missing     []int // numbers
	List        LinkList
	Away        []DriveLabel // drives of the bundle that were not sent
	Wrong       []Fault      // files that look like some of the bundle's, and are not
	Notes       []string     // what else was seen
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
// are there and none is named, a *[FingerprintError] if none is of the one that is wanted, an
// *[AwayError] if all that was sent is here, and not all drives were sent, and those of [Verify].
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

	wanted map[linkContent][]int // numbers of all contents that the bundle has, without those that are here
	left   map[int64]int         // how many of these there are, by size
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
	bad := false
	for _, d := range r.link.drives {
		err := r.complete(ctx, d)
		if changed, ok := errors.AsType[*ReadBackError](err); ok && r.again(d, changed.Files) {
			bad = true
		} else if err != nil {
			return a, err
		}
	}
	if bad {
		return r.arrival(), nil
	}
	return a, r.verify(ctx)
}

// again wants files once more that arrived whole, and were not read back so. It reports false if
// are others among them than those that are sent, and second copies made of them.
func (r *receiver) again(d *linkDrive, names []string) bool {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		base, second := strings.CutPrefix(name, seal.CopyDir+"/")
		return second && slices.Contains(names, base)
	})
	for _, name := range names {
		if !slices.ContainsFunc(d.pieces, func(f seal.File) bool { return f.Name == name }) {
			return false
		}
	}
	for _, f := range r.link.Files {
		if f.drive == d && slices.Contains(names, f.file.Name) {
			delete(r.done, f.Number)
			delete(r.have, f.Number) // it was moved
		}
	}
	for _, name := range names {
		r.wrong = append(r.wrong, Fault{name, "was whole when it arrived, and is not now: the disk or its cable is failing, or somebody has changed it. It was removed"})
	}
	return true
}

func (r *receiver) home() string { return filepath.Join(r.dir, dirPrefix+r.link.Bundle) }

// place of a drive: the bundle's directory, or one in it for each of several.
func (r *receiver) placeOf(d *linkDrive) string {
	if d.of < 2 {
		return r.home()
	}
	return filepath.Join(r.home(), fmt.Sprintf("drive-%02d", d.number))
}

// open looks at what is in place already.
func (r *receiver) open() (err error) {
	if info, err := os.Lstat(r.home()); err == nil && !info.IsDir() {
		return &RefusedError{Dir: r.home(), Reason: "it is not a directory", hint: "remove it: the bundle is to be put together there"}
	}
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
	r.want()
	d, err := media.OpenDir(r.dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // it is only read
	for _, a := range r.files {
		named := linkNumber(a.name, r.link.Bundle)
		left, may := r.left[a.size]
		if !may {
			r.misfit(a, named)
			continue
		}
		if named == 0 && left == 0 {
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
		if !r.give(a, got.SHA256, named) && named > 0 {
			r.wrong = append(r.wrong, Fault{a.name, "has other bytes than it must have"})
		}
	}
	return nil
}

// linkContent is what a link file is known by.
type linkContent struct {
	size   int64
	sha256 string
}

// want lists what is not in place yet. There may be a million files of one size.
func (r *receiver) want() {
	r.wanted, r.left = map[linkContent][]int{}, map[int64]int{}
	for _, f := range r.link.Files {
		c := linkContent{f.Size, f.sha256}
		numbers, left := r.wanted[c], r.left[f.Size]
		if !r.done[f.Number] {
			numbers, left = append(numbers, f.Number), left+1
		}
		r.wanted[c], r.left[f.Size] = numbers, left // known, also where nothing is wanted
	}
}

// give takes a file that has arrived for the one of its number, or for the first one with these bytes that has none yet: two
// files of the bundle with the same bytes need two. It reports whether there is any with these bytes. named is the number in
// its name, 0 for none.
func (r *receiver) give(a arrived, sum string, named int) (found bool) {
	c := linkContent{a.size, sum}
	numbers, found := r.wanted[c]
	for len(numbers) > 0 && r.have[numbers[0]].name != "" { // given by its name
		numbers = numbers[1:]
	}
	r.wanted[c] = numbers
	if len(numbers) == 0 {
		return found
	}
	number := numbers[0]
	if named > 0 && named <= len(r.link.Files) && r.have[named].name == "" && !r.done[named] {
		if f := r.link.Files[named-1]; f.Size == a.size && f.sha256 == sum {
			number = named
		}
	}
	r.have[number] = a
	r.left[a.size]--
	return found
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

func (r *receiver) arrival() *Arrival {
	a := &Arrival{Bundle: r.link.Bundle, Fingerprint: r.link.Fingerprint, Plain: r.link.plain(), Dir: r.home(), Files: len(r.link.Files), Bytes: r.link.Bytes(), Away: r.link.Away, Wrong: r.wrong, Notes: r.notes}
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
