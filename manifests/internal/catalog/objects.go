package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/property"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

// objectRef says which objects the document of a bundle names by ref: files beside it
// (operator-registry v1.26, alpha/property, File). Newer ones know data alone.
type objectRef struct {
	doc                    int // in the spool
	file, dir, pkg, bundle string
	names                  []string
}

// at is where an object lies, as older operator-registry finds it.
func (r objectRef) at(name string) string { return path.Join(r.dir, name) }

// inline puts the objects that documents name by ref into these. It reads the layers a
// second time, as it is not known before which files are objects. A bundle of which one is
// missing is at fault.
func (b *builder) inline(ctx context.Context, src oci.Source, image oci.Descriptor, dir string) error {
	if len(b.refs) == 0 {
		return nil
	}
	stored := map[string]spoolEntry{}
	for _, r := range b.refs {
		for _, name := range r.names {
			if at := r.at(name); !path.IsAbs(name) && strings.HasPrefix("/"+at, dir+"/") {
				stored[at] = spoolEntry{off: -1}
			}
		}
	}
	err := layers.Walk(ctx, src, image, dir, func(name string, _ int64, r io.Reader) error {
		if _, ok := stored[name]; !ok {
			return nil
		}
		body, err := io.ReadAll(io.LimitReader(r, maxServed+1))
		if err != nil {
			return err
		}
		if len(body) > maxServed {
			return nil
		}
		stored[name], err = b.spool.put(body)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range b.refs {
		var lost *missingError
		err := b.inlineOne(r, stored)
		if errors.As(err, &lost) {
			err = b.lose(r, lost)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// missingError says that an object is not there, or cannot be served.
type missingError struct{ name string }

func (e *missingError) Error() string {
	return fmt.Sprintf("its object %q, which it names by ref, is not in the catalog, or has more than %d MiB", e.name, maxServed>>20)
}

// inlineOne rewrites one document.
func (b *builder) inlineOne(r objectRef, stored map[string]spoolEntry) error {
	m, err := b.spool.get(r.doc)
	if err != nil {
		return err
	}
	err = rewrite(m, func(doc map[string]json.RawMessage) error {
		var list []property.Property
		if err := json.Unmarshal(doc["properties"], &list); err != nil {
			return err
		}
		for i := range list {
			var o struct {
				Ref  string
				Data []byte
			}
			if list[i].Type != property.TypeBundleObject || json.Unmarshal(list[i].Value, &o) != nil || o.Ref == "" {
				continue
			}
			body := o.Data // newer operator-registry knows that alone
			if len(body) == 0 {
				e, ok := stored[r.at(o.Ref)]
				if !ok || e.off < 0 {
					return &missingError{o.Ref}
				}
				var err error
				if body, err = b.spool.read(e); err != nil {
					return err
				}
			}
			value, err := json.Marshal(property.BundleObject{Data: body})
			if err != nil {
				return err
			}
			list[i].Value = value
		}
		properties, err := json.Marshal(list)
		doc["properties"] = properties
		return err
	})
	if err != nil {
		return err
	}
	return b.spool.replace(r.doc, m.Blob)
}

// lose records a bundle whose object is missing as one that cannot be.
func (b *builder) lose(r objectRef, why error) error {
	b.spool.list[r.doc].pkg, b.spool.list[r.doc].file = "", lostFile
	for i := range b.bundles {
		if k := &b.bundles[i]; k.file == r.file && k.pkg == r.pkg && k.Name == r.bundle {
			k.Fault = plain(why.Error())
		}
	}
	return b.blame(r.file, r.pkg, "olm.bundle", r.bundle, why)
}
