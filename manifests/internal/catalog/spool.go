package catalog

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/satchel-airgap/satchel/manifests/internal/tempfile"
)

// spool keeps the documents of a catalog on disk, each compressed by itself, until
// it is known which of them count and of which packages they are.
type spool struct {
	f    *tempfile.File
	enc  *zstd.Encoder
	buf  []byte
	end  int64
	list []spoolEntry
}

// spoolEntry is one document in the spool.
type spoolEntry struct {
	file, pkg string
	entry
	off int64
}

// entry is the line before a document in what [Catalog.Write] writes.
type entry struct {
	Schema string `json:"schema"`
	Name   string `json:"name,omitempty"`
	Size   int    `json:"size"`   // bytes of the document
	Packed int    `json:"packed"` // bytes that follow the line, zstd
}

func newSpool() (*spool, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	f, err := tempfile.New("the documents of a catalog")
	if err != nil {
		return nil, err
	}
	return &spool{f: f, enc: enc}, nil
}

// add keeps one document, under its package if it is of one.
func (s *spool) add(file string, m *declcfg.Meta) error {
	pkg := m.Package
	if m.Schema == declcfg.SchemaPackage {
		pkg = m.Name
	}
	if pkg == "" && m.Schema == declcfg.SchemaDeprecation { // it says nothing, and operator-registry refuses it
		return nil
	}
	e, err := s.put(m.Blob)
	if err != nil {
		return err
	}
	e.file, e.pkg, e.Schema, e.Name = file, pkg, m.Schema, m.Name
	s.list = append(s.list, e)
	return nil
}

// put keeps bytes.
func (s *spool) put(body []byte) (e spoolEntry, err error) {
	s.buf = s.enc.EncodeAll(body, s.buf[:0])
	if _, err := s.f.WriteAt(s.buf, s.end); err != nil {
		return e, err
	}
	e = spoolEntry{entry: entry{Size: len(body), Packed: len(s.buf)}, off: s.end}
	s.end += int64(len(s.buf))
	return e, nil
}

// replace keeps other bytes for a document.
func (s *spool) replace(doc int, body []byte) error {
	e, err := s.put(body)
	k := &s.list[doc]
	k.Size, k.Packed, k.off = e.Size, e.Packed, e.off
	return err
}

// read gives bytes that were kept.
func (s *spool) read(e spoolEntry) ([]byte, error) {
	packed := make([]byte, e.Packed)
	if _, err := s.f.ReadAt(packed, e.off); err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxKept))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return dec.DecodeAll(packed, nil)
}

// get gives a document that was kept.
func (s *spool) get(doc int) (*declcfg.Meta, error) {
	e := s.list[doc]
	body, err := s.read(e)
	return &declcfg.Meta{Schema: e.Schema, Package: e.pkg, Name: e.Name, Blob: body}, err
}

// lostFile is the file of a document that is not kept after all.
const lostFile = "\x00"

// sort orders what counts by package, and within that as operator-registry
// writes a catalog: package, channels, bundles, the rest.
func (s *spool) sort(counts func(file string) bool) {
	s.list = slices.DeleteFunc(s.list, func(k spoolEntry) bool { return k.file == lostFile || !counts(k.file) })
	slices.SortStableFunc(s.list, func(a, b spoolEntry) int {
		return cmp.Or(cmp.Compare(a.pkg, b.pkg), cmp.Compare(rank(a.Schema), rank(b.Schema)),
			cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name), cmp.Compare(a.file, b.file))
	})
}

// unique leaves out documents that define again what another has, once they are sorted.
func (s *spool) unique() {
	s.list = compact(s.list, func(a, b spoolEntry) bool {
		return a.pkg != "" && a.pkg == b.pkg && a.Schema == b.Schema && a.Name == b.Name && rank(a.Schema) < rank(declcfg.SchemaDeprecation)
	})
}

func rank(schema string) int {
	i := slices.Index([]string{declcfg.SchemaPackage, declcfg.SchemaChannel, declcfg.SchemaBundle, declcfg.SchemaDeprecation}, schema)
	if i < 0 {
		return 4 // after those
	}
	return i
}

// of gives the documents of one package.
func (s *spool) of(pkg string) []spoolEntry {
	from, _ := slices.BinarySearchFunc(s.list, pkg, func(k spoolEntry, pkg string) int { return cmp.Compare(k.pkg, pkg) })
	to := from
	for to < len(s.list) && s.list[to].pkg == pkg {
		to++
	}
	return s.list[from:to]
}

// write copies one document behind its line.
func (s *spool) write(w io.Writer, k spoolEntry) error {
	if err := json.NewEncoder(w).Encode(k.entry); err != nil {
		return err
	}
	if _, err := io.Copy(w, io.NewSectionReader(s.f, k.off, int64(k.Packed))); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *spool) Close() error { return errors.Join(s.enc.Close(), s.f.Close()) }
