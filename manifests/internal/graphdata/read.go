package graphdata

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/satchel-airgap/satchel/manifests/internal/tempfile"
	"github.com/satchel-airgap/satchel/oci"
)

// MaxArchive is the largest archive, in bytes; that of api.openshift.com has less
// than one MiB.
const MaxArchive = 64 << 20

const (
	maxContent = 256 << 20 // bytes, decompressed
	maxEntries = 100_000
	maxName    = 255 // bytes
)

// whiteout begins names that would hide others in a layer (OCI image-spec, layer.md).
const whiteout = ".wh."

// Data is graph data that was read. Its files are on disk, under no name, until it
// is closed.
type Data struct {
	spool *tempfile.File
	end   int64
	list  []entry
	dirs  map[string]bool // whether a name is a directory, or a file
	odd   []odd

	doubts []string
}

// odd is an entry that is no part of graph data. It is an error only at a name that the
// service reads.
type odd struct {
	name string // as others would write it
	why  error
}

// entry is a file or a directory, by its path in the data.
type entry struct {
	name      string
	dir       bool
	off, size int64 // in the spool
}

// Read reads a gzipped tar. It takes what an update service reads: regular files and
// directories, each file once; a directory that has all of it, as archives of git hosts
// have one, is left out. Whatever else the archive has, of any kind and name, is passed
// over. What is wrong with the archive, or no graph data, is an *[oci.UnsupportedError].
func Read(archive io.Reader) (_ *Data, err error) {
	in := bufio.NewReader(archive)
	start, _ := in.Peek(40) // the error of a reader comes again
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, refuse("it is not a gzip archive; it begins with %q", start)
	}
	d := &Data{dirs: map[string]bool{}}
	if d.spool, err = tempfile.New("graph data"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	content := &bounded{z, maxContent}
	if err := d.read(tar.NewReader(content)); err != nil {
		return nil, err
	}
	// The checksum stands behind the tar's end.
	if _, err := io.Copy(zeros{}, content); err != nil {
		return nil, explain(err)
	}
	return d, d.finish()
}

// Close frees what is on disk.
func (d *Data) Close() error { return d.spool.Close() }

func (d *Data) read(tr *tar.Reader) error {
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // names are checked here
			return explain(err)
		}
		if n >= maxEntries {
			return refuse("it has more than %d entries", maxEntries)
		}
		if err := d.entry(h, tr); err != nil {
			return err
		}
	}
}

// entry takes one entry of the archive.
func (d *Data) entry(h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader { // git's: it names the commit
		return nil
	}
	name, err := clean(h.Name)
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		err = refuse("%.100q is %s; it may have only files and directories", h.Name, kind(h.Typeflag))
	}
	if err != nil {
		d.odd = append(d.odd, odd{wanders(h.Name), err})
		//lint:ignore nilerr it counts at the end, if it is where data is read
		return nil
	}
	e := entry{name: name, dir: h.Typeflag == tar.TypeDir, off: d.end, size: h.Size}
	if name == "." && e.dir {
		return nil
	}
	if was, ok := d.dirs[name]; ok || name == "." {
		if !was || !e.dir {
			d.odd = append(d.odd, odd{name, refuse("it has %q twice", name)})
		}
		return nil
	}
	d.dirs[name] = e.dir
	if e.dir {
		e.size = 0
	}
	if e.size < 0 || e.size > maxContent-d.end { // a sparse file takes next to nothing of the archive
		return tooLarge()
	}
	d.end += e.size
	d.list = append(d.list, e)
	return d.keep(e, r)
}

// keep copies a file into the spool.
func (d *Data) keep(e entry, r io.Reader) error {
	if e.dir {
		return nil
	}
	in := &failing{r: r}
	_, err := io.Copy(io.NewOffsetWriter(d.spool, e.off), in)
	switch {
	case in.err != nil:
		return explain(in.err)
	case err != nil:
		return fmt.Errorf("keep graph data: %w", err)
	}
	return nil
}

// clean writes a name as others write the same one; that of the data itself is ".".
func clean(name string) (string, error) {
	for _, c := range name {
		if !unicode.IsPrint(c) {
			return "", refuse("the name %.100q has characters that do no good on a terminal", name)
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return "", refuse("the name %.100q leads out of it", name)
		case strings.HasPrefix(part, whiteout):
			return "", refuse("the name %.100q would hide another in an image", name)
		}
	}
	switch cleaned := path.Clean(name); {
	case !utf8.ValidString(name) || name == "":
		return "", refuse("the name %.100q is none", name)
	case name[0] == '/':
		return "", refuse("the name %.100q leads out of it", name)
	case len(cleaned) > maxName:
		return "", refuse("the name %.100q has more than %d bytes", name, maxName)
	default:
		return cleaned, nil
	}
}

// wanders is where a name leads that is not a clean relative path.
func wanders(name string) string { return strings.TrimLeft(path.Clean("/"+name), "/") }

// kind names a file type that is refused.
func kind(flag byte) string {
	switch flag {
	case tar.TypeSymlink, tar.TypeLink:
		return "a link"
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return "a device or a pipe"
	}
	return fmt.Sprintf("of type %q", flag)
}

func refuse(format string, args ...any) error {
	return &oci.UnsupportedError{What: "graph data", Why: fmt.Sprintf(format, args...)}
}

func tooLarge() error { return refuse("it has more than %d MiB when decompressed", maxContent>>20) }

// explain says what is wrong with the bytes of an archive.
func explain(err error) error {
	var known *oci.UnsupportedError
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse("the archive is cut short")
	case errors.Is(err, tar.ErrHeader):
		return refuse("what the archive has is no tar")
	}
	return refuse("the archive is damaged: %v", err)
}

// bounded reads so many bytes, and no more.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, tooLarge()
	}
	return n, err
}

// failing remembers what went wrong with reading.
type failing struct {
	r   io.Reader
	err error // other than io.EOF
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// zeros accepts only zero bytes, which may follow a tar as padding.
type zeros struct{}

func (zeros) Write(p []byte) (int, error) {
	for _, c := range p {
		if c != 0 {
			return 0, refuse("something follows the end of the tar")
		}
	}
	return len(p), nil
}
