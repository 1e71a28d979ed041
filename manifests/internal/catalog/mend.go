package catalog

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
)

// trimmed lists the references that have white space around them, without it.
func (in *bundle) trimmed() (list []string) {
	for _, r := range append([]declcfg.RelatedImage{{Image: in.Image}}, in.RelatedImages...) {
		if name := strings.TrimSpace(r.Image); name != r.Image && name != "" {
			list = append(list, cut(name))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// isReference is what operator-registry, which older ones did not, wants of an image.
func isReference(name string) bool {
	if name == "" || isUsual(name) {
		return true
	}
	_, err := reference.ParseNormalizedNamed(name)
	return err == nil
}

// isUsual knows most references at once: catalogs have hundreds of thousands, and the
// grammar of references takes its time. What it does not know may be one too.
func isUsual(name string) bool {
	const most = 255 // bytes of a name
	name, digest, pinned := strings.Cut(name, "@sha256:")
	if pinned && (len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "") {
		return false
	}
	host, rest, ok := strings.Cut(name, "/")
	if !ok || len(name) > most || !strings.Contains(host, ".") || !areParts(host, ".") {
		return false
	}
	rest, tag, tagged := strings.Cut(rest, ":")
	return areParts(rest, "/") && (!tagged || len(tag) <= 128 && areParts(tag, ""))
}

// areParts wants lower case letters and digits, with one of the separators, or a dot or a
// dash, between any two of them.
func areParts(s, separators string) bool {
	between := true
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			between = false
		case between, c != '.' && c != '-' && strings.IndexByte(separators, c) < 0:
			return false
		default:
			between = true
		}
	}
	return !between
}

// mend writes the document of a bundle as newer operator-registry takes it: no white space
// around references, and no related images that are none. What names objects by file is
// remembered: see [builder.inline].
func (b *builder) mend(file string, m *declcfg.Meta, in *bundle) error {
	ref := objectRef{doc: len(b.spool.list), dir: path.Dir(file), pkg: in.Package, bundle: in.Name, file: file}
	for _, p := range in.Properties {
		var o struct{ Ref string }
		if p.Type == property.TypeBundleObject && json.Unmarshal(p.Value, &o) == nil && o.Ref != "" {
			ref.names = append(ref.names, o.Ref)
		}
	}
	if len(ref.names) > 0 {
		b.refs = append(b.refs, ref)
	}
	odd := in.Image != strings.TrimSpace(in.Image)
	for _, r := range in.RelatedImages {
		odd = odd || !isReference(r.Image)
	}
	if !odd {
		return nil
	}
	return rewrite(m, func(doc map[string]json.RawMessage) error {
		image, err := json.Marshal(strings.TrimSpace(in.Image))
		if err != nil {
			return err
		}
		if in.Image != "" {
			doc["image"] = image
		}
		list := []declcfg.RelatedImage{}
		for _, r := range in.RelatedImages {
			if r.Image = strings.TrimSpace(r.Image); isReference(r.Image) {
				list = append(list, r)
			}
		}
		related, err := json.Marshal(list)
		doc["relatedImages"] = related
		return err
	})
}

// rewrite changes a document, whose keys stay sorted.
func rewrite(m *declcfg.Meta, edit func(map[string]json.RawMessage) error) error {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(m.Blob, &doc); err != nil {
		return err
	}
	if err := edit(doc); err != nil {
		return err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(doc)
	m.Blob = out.Bytes()
	return err
}
