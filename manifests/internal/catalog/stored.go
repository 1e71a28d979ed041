package catalog

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
)

// maxKept bounds a document that was stored: it is JSON, which may be longer than
// the YAML it was.
const maxKept = 8 * maxDocument

// Documents are those of one package, as stored: the package, its
// channels, its bundles, and then the rest, each sort by name.
type Documents struct {
	in   *bufio.Reader
	pkg  string
	left int
	dec  *zstd.Decoder
	buf  []byte
}

// Next gives the next document, or io.EOF. Its Blob is JSON with sorted keys, the
// same whenever the catalog is the same, and is valid until the next call.
func (d *Documents) Next() (*declcfg.Meta, error) {
	e, packed, err := d.next()
	if err != nil {
		return nil, err
	}
	return d.unpack(e, packed)
}

// next gives the next document as it is stored.
func (d *Documents) next() (e entry, packed []byte, err error) {
	if e, err = d.entry(); err != nil {
		return e, nil, err
	}
	packed = make([]byte, e.Packed)
	if _, err := io.ReadFull(d.in, packed); err != nil {
		return e, nil, short(err)
	}
	return e, packed, d.endLine()
}

func (d *Documents) unpack(e entry, packed []byte) (_ *declcfg.Meta, err error) {
	if d.dec == nil {
		if d.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxKept)); err != nil {
			return nil, err
		}
	}
	if d.buf, err = d.dec.DecodeAll(packed, d.buf[:0]); err != nil || len(d.buf) != e.Size {
		return nil, errors.Join(fmt.Errorf("%s %q is not what was stored", e.Schema, cut(e.Name)), err)
	}
	return &declcfg.Meta{Schema: e.Schema, Package: d.pkg, Name: e.Name, Blob: d.buf}, nil
}

func (d *Documents) entry() (e entry, err error) {
	if d.left == 0 {
		return e, io.EOF
	}
	d.left--
	if err := readLine(d.in, &e); err != nil {
		return e, err
	}
	if e.Packed < 0 || e.Packed > maxKept {
		return e, fmt.Errorf("a document has %d bytes", e.Packed)
	}
	return e, nil
}

func (d *Documents) endLine() error {
	c, err := d.in.ReadByte()
	if err == nil && c != '\n' {
		return errors.New("a document does not end where it should")
	}
	return short(err)
}

// skip skips what was not read.
func (d *Documents) skip() error {
	for {
		e, err := d.entry()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := d.in.Discard(e.Packed); err != nil {
			return short(err)
		}
		if err := d.endLine(); err != nil {
			return err
		}
	}
}

func (d *Documents) close() {
	if d.dec != nil {
		d.dec.Close()
	}
}

// Config reads the package's documents, without what is large in its bundles:
// values of properties of more than 64 KiB, and manifests and descriptions of any
// size, which no choice depends on. It is what package filter chooses from.
func (d *Documents) Config() (*declcfg.DeclarativeConfig, error) {
	cfg := &declcfg.DeclarativeConfig{}
	for {
		m, err := d.Next()
		if errors.Is(err, io.EOF) {
			return cfg, nil
		}
		if err == nil {
			err = addTo(cfg, m)
		}
		if err != nil {
			return nil, err
		}
	}
}

func addTo(cfg *declcfg.DeclarativeConfig, m *declcfg.Meta) error {
	switch m.Schema {
	case declcfg.SchemaPackage:
		return appendTo(&cfg.Packages, m)
	case declcfg.SchemaChannel:
		return appendTo(&cfg.Channels, m)
	case declcfg.SchemaDeprecation:
		return appendTo(&cfg.Deprecations, m)
	case declcfg.SchemaBundle:
		var in bundle
		if err := json.Unmarshal(m.Blob, &in); err != nil {
			return fmt.Errorf("%s %q: %w", m.Schema, cut(m.Name), err)
		}
		cfg.Bundles = append(cfg.Bundles, in.light())
		return nil
	}
	return nil // of schemas that nobody knows, nothing is needed to choose: they may be large
}

func appendTo[T any](list *[]T, m *declcfg.Meta) error {
	var v T
	if err := json.Unmarshal(m.Blob, &v); err != nil {
		return fmt.Errorf("%s %q: %w", m.Schema, cut(m.Name), err)
	}
	*list = append(*list, v)
	return nil
}

// light is the bundle without its large properties. Objects stand for manifests
// that lie in it, because a bundle without an image must have some.
func (in *bundle) light() declcfg.Bundle {
	out := declcfg.Bundle{Schema: declcfg.SchemaBundle, Name: in.Name, Package: in.Package, Image: in.Image, RelatedImages: in.RelatedImages}
	for _, p := range in.Properties {
		switch {
		case p.Type == property.TypeBundleObject:
			out.Objects = []string{"{}"}
		case p.Type != property.TypeCSVMetadata && len(p.Value) > 0:
			out.Properties = append(out.Properties, property.Property{Type: p.Type, Value: json.RawMessage(p.Value)})
		}
	}
	return out
}

// WriteFiltered writes the package that filtered is, chosen from the same
// documents, as a file of a catalog: JSON. Its bundles and what has another schema
// are written as stored, in full. each gets every one of these, and says whether it stays;
// nil for all.
func (d *Documents) WriteFiltered(w io.Writer, filtered *declcfg.DeclarativeConfig, each func(*declcfg.Meta) (bool, error)) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	chosen := map[string]bool{}
	for _, b := range filtered.Bundles {
		chosen[b.Name] = true
	}
	if err := errors.Join(encodeAll(enc, filtered.Packages), encodeAll(enc, filtered.Channels)); err != nil {
		return err
	}
	if err := encodeAll(enc, filtered.Deprecations); err != nil {
		return err
	}
	for {
		m, err := d.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch m.Schema {
		case declcfg.SchemaPackage, declcfg.SchemaChannel, declcfg.SchemaDeprecation:
			continue
		case declcfg.SchemaBundle:
			if !chosen[m.Name] {
				continue
			}
		}
		stays := true
		if each != nil {
			stays, err = each(m)
		}
		if err != nil {
			return err
		}
		if !stays {
			continue
		}
		if _, err := w.Write(m.Blob); err != nil { // it ends in a line feed
			return err
		}
	}
}

func encodeAll[T any](enc *json.Encoder, list []T) error {
	for _, v := range list {
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return nil
}
