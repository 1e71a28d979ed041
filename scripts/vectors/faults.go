package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"filippo.io/age"
)

// fault is a bundle with one thing wrong.
type fault struct {
	name, about string
	base        string // the whole bundle that it is made of
	expect      string
	file        string                   // that verify names; none: the fault is inside, and only who opens it finds it
	change      func(dir string) error   // files as they are
	inside      func(o *opened) error    // what is in them, which is sealed again
	also        func(o, p *opened) error // as inside, with another bundle of the same recipient
}

var placed = regexp.MustCompile(`"at":\[\[0,[0-9]+,`)

// faults are made of the bundles plain, x25519, signed, parity and other.
func faults() []fault {
	in := func(name string, change func(body []byte) []byte) func(string) error {
		return func(dir string) error { return edit(filepath.Join(dir, name), change) }
	}
	flipped := func(name string) func(string) error {
		return in(name, func(body []byte) []byte { body[len(body)*2/3] ^= 1; return body })
	}
	gone := func(names ...string) func(string) error {
		return func(dir string) (err error) {
			for _, name := range names {
				err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
			}
			return err
		}
	}
	added := func(name, body string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(body), 0o644) }
	}
	index := func(old, now string) func(*opened) error {
		return func(o *opened) error {
			return o.editIndex(func(text string) string { return strings.Replace(text, old, now, 1) })
		}
	}
	list := []fault{
		{name: "segment-missing", about: "a segment is not there", base: "x25519", expect: "truncated", file: segment, change: gone(segment)},
		{name: "segment-longer", about: "a segment has a byte more", base: "x25519", expect: "truncated", file: segment, change: in(segment, func(b []byte) []byte { return append(b, 0) })},
		{name: "segment-zeroed", about: "512 bytes of a segment are zero", base: "x25519", expect: "damaged", file: segment,
			change: in(segment, func(b []byte) []byte { clear(b[600:1112]); return b })},
		{name: "segment-extra", about: "a segment that nothing names", base: "x25519", expect: "beside", file: "s-00-00002.age", change: added("s-00-00002.age", "age-encryption.org/v1\n")},
		{name: "key-extra", about: "a key file that nothing names and that has no copy", base: "x25519", expect: "beside", file: "key-2.age", change: added("key-2.age", "age-encryption.org/v1\n")},
		{name: "note", about: "a file of somebody else, and what a crash left", base: "x25519", expect: "whole",
			change: func(dir string) error {
				return errors.Join(added("notes.txt", "hello\n")(dir), added("key-1.age.tmp", "age")(dir))
			}},
		{name: "seal-lost", about: "bundle.json is not there, but its second copy is", base: "x25519", expect: "beside", file: "bundle.json", change: gone("bundle.json")},
		{name: "seals-lost", about: "bundle.json and its second copy are not there", base: "x25519", expect: "unfinished", change: gone("bundle.json", "copy/bundle.json")},
		{name: "key-lost", about: "the key file and its second copy are not there", base: "x25519", expect: "closed", file: "copy/key-1.age key-1.age", change: gone("key-1.age", "copy/key-1.age")},
		{name: "lines", about: "the seal has lines that end with CR LF", base: "x25519", expect: "line ends",
			change: in("bundle.json", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) })},
		{name: "index-flipped", about: "the index and its second copy have each another wrong byte", base: "x25519", expect: "closed", file: "copy/index.age index.age",
			change: func(dir string) error {
				return errors.Join(flipped("index.age")(dir), in("copy/index.age", func(b []byte) []byte { b[300] ^= 1; return b })(dir))
			}},
		{name: "signature-flipped", about: "one byte of a signature has changed", base: "signed", expect: "beside", file: "bundle.json.sig", change: flipped("bundle.json.sig")},
		{name: "signature-of-another", about: "the signature is of the drive seal; all sums are right", base: "signed", expect: "beside", file: "bundle.json.sig", inside: func(o *opened) error {
			body, err := os.ReadFile(filepath.Join(o.dir, "drive.json.sig"))
			return errors.Join(err, os.WriteFile(filepath.Join(o.dir, "bundle.json.sig"), body, 0o644), o.copies("bundle.json.sig"))
		}},
		{name: "parity-flipped", about: "a parity file has a wrong byte", base: "parity", expect: "beside", file: "p-001-01.par", change: flipped("p-001-01.par")},
		{name: "parity-helps", about: "a segment is not there, and parity has it", base: "parity", expect: "truncated", file: segment, change: gone(segment)},
	}
	for _, name := range []string{"bundle.json", "drive.json", "extras.json", "index.age", "key-1.age", "README.txt", "SHA256SUMS", "copy/bundle.json", "copy/key-1.age"} {
		list = append(list, fault{name: strings.ToLower(strings.NewReplacer(".", "-", "/", "-").Replace(name)), about: "one byte of " + name + " has changed",
			base: "x25519", expect: "beside", file: name, change: flipped(name)})
	}
	digest := `{"blob":{"digest":"sha256:`
	return append(list, []fault{
		{name: "blobs-claimed", about: "the index claims to have 10^12 blobs", base: "plain", expect: "refused", inside: index(`"blobs":`, `"blobs":1000000000000,"was":`)},
		{name: "blob-huge", about: "a blob of 2^62 bytes", base: "plain", expect: "refused", inside: index(`"size":2071`, `"size":4611686018427387904`)},
		{name: "blobs-overlap", about: "two blobs lie in the same place", base: "plain", expect: "refused", inside: func(o *opened) error {
			return o.editIndex(func(text string) string {
				n := 0
				return placed.ReplaceAllStringFunc(text, func(at string) string {
					if n++; n == 2 {
						return `"at":[[0,600,`
					}
					return at
				})
			})
		}},
		{name: "blob-outside", about: "a blob lies behind the end of its segment", base: "plain", expect: "refused", inside: index(`"at":[[0,512,`, `"at":[[0,17919,`)},
		{name: "blob-twice", about: "a blob stands in the index twice", base: "plain", expect: "refused", inside: func(o *opened) error {
			return o.editIndex(func(text string) string {
				at := strings.Index(text, digest)
				end := at + strings.Index(text[at:], "\n") + 1
				return text[:end] + text[at:end] + text[end:]
			})
		}},
		{name: "kind-unknown", about: "a kind of line that is in no version, and no feature is needed", base: "plain", expect: "refused", inside: index(digest, `{"blobs":{}}`+"\n"+digest)},
		{name: "end-missing", about: "the index has no last line", base: "plain", expect: "refused", inside: func(o *opened) error {
			return o.editIndex(func(text string) string { return text[:strings.Index(text, `{"end"`)] })
		}},
		{name: "index-of-another", about: "the index names another bundle", base: "plain", expect: "refused", inside: index(`"version":1,"bundle":"`, `"version":1,"bundle":"aaaaaaaaaaaaaaaa","was":"`)},
		{name: "index-window", about: "the index needs a window of 8 MiB", base: "plain", expect: "refused", inside: func(o *opened) error {
			o.window = 8 << 20
			return nil
		}},
		{name: "path-up", about: "an image goes to ../../etc", base: "plain", expect: "refused", inside: index(`"tags":["1.0"]`, `"tags":["1.0"],"path":"../../etc"`)},
		{name: "tag-wrong", about: "a tag with a slash", base: "plain", expect: "refused", inside: index(`"tags":["1.0"]`, `"tags":["../1.0"]`)},
		{name: "document-name", about: "a document with a path for a name", base: "plain", expect: "refused", inside: index(`"name":"cluster-yaml"`, `"name":"../cluster-yaml"`)},
		{name: "root-absent", about: "the manifest of an image is not in the bundle", base: "plain", expect: "refused", inside: func(o *opened) error {
			return o.editIndex(func(text string) string {
				at := strings.Index(text, `"root":{"mediaType"`)
				at += strings.Index(text[at:], "sha256:") + len("sha256:")
				return text[:at] + strings.Repeat("0", 64) + text[at+64:]
			})
		}},
		{name: "table-wrong", about: "the seek table says more than a frame gives", base: "plain", expect: "wrong", inside: func(o *opened) error {
			return o.editStream(1<<20, 512, func([]byte) {})
		}},
		{name: "frame-window", about: "a frame needs a window of 8 MiB", base: "x25519", expect: "wrong", inside: func(o *opened) error {
			return o.editStream(8<<20, 0, func([]byte) {})
		}},
		{name: "blob-wrong", about: "the bytes of a blob are not those of its digest", base: "x25519", expect: "wrong", inside: func(o *opened) error {
			return o.editStream(1<<20, 0, func(stream []byte) { stream[600] ^= 1 })
		}},
		{name: "segment-of-another", about: "a segment is that of another bundle, with the same recipient", base: "x25519", expect: "wrong", also: func(o, p *opened) error {
			body, err := os.ReadFile(filepath.Join(p.dir, segment))
			return errors.Join(err, os.WriteFile(filepath.Join(o.dir, segment), body, 0o644))
		}},
		{name: "key-of-another", about: "the key file opens another bundle", base: "x25519", expect: "closed", also: func(o, p *opened) error {
			body, err := os.ReadFile(filepath.Join(p.dir, "key-1.age"))
			return errors.Join(err, os.WriteFile(filepath.Join(o.dir, "key-1.age"), body, 0o644))
		}},
		{name: "key-work", about: "the key file asks for 4 GiB of scrypt", base: "x25519", expect: "closed", file: "key-1.age", inside: hardKey},
	}...)
}

// hardKey makes a key file for a passphrase, whose header then asks for work factor 22.
func hardKey(o *opened) error {
	r, err := age.NewScryptRecipient("vectors")
	if err != nil {
		return err
	}
	r.SetWorkFactor(10)
	var b bytes.Buffer
	w, err := age.Encrypt(&b, r)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return err
	}
	body := bytes.Replace(b.Bytes(), []byte(" 10\n"), []byte(" 22\n"), 1)
	return os.WriteFile(filepath.Join(o.dir, "key-1.age"), body, 0o644)
}

// makeFaults packs the bundles that faults are made of, then makes each fault of a copy.
func (m *maker) makeFaults(ctx context.Context) error {
	whole := []string{"vectors/late:1.0"}
	bases := *m
	bases.out, bases.only = filepath.Join(m.tmp, "bases"), ""
	key := filepath.Join(m.tmp, "key.txt")
	recipient, err := m.keygen(ctx, key, false)
	if err != nil {
		return err
	}
	for _, v := range []vector{
		{name: "plain", images: []string{"vectors/app:1.0", "vectors/tools:2.1"}, plain: true},
		{name: "x25519", images: whole, recipient: recipient},
		{name: "other", images: whole, recipient: recipient},
		{name: "signed", images: whole, recipient: recipient, signers: 1},
		{name: "parity", images: whole, recipient: recipient, pack: []string{"--parity", "1/2"}},
	} {
		if err := bases.make(ctx, v); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	for _, f := range faults() {
		if m.only != "" && f.name != m.only {
			continue
		}
		if err := m.fault(f, bases.out, key); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func (m *maker) fault(f fault, bases, key string) error {
	dir := filepath.Join(m.out, f.name)
	bundle := filepath.Join(dir, "bundle")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(bundle, os.DirFS(filepath.Join(bases, f.base, "bundle"))); err != nil {
		return err
	}
	head := "expect: " + f.expect + "\n"
	if f.file != "" {
		head += "fault: " + f.file + "\n"
	}
	if f.expect == "whole" {
		head += "images: 1\ngaps: 0\ndocuments: 1\n"
	}
	if f.base == "plain" {
		head += "plain: yes\n"
	} else if body, err := os.ReadFile(key); err != nil {
		return err
	} else if err := os.WriteFile(filepath.Join(dir, "key.txt"), body, 0o600); err != nil {
		return err
	}
	head += "exits: " + cmp.Or(exits(f.name), "all=0") + "\n"
	if err := f.make(bundle, filepath.Join(bases, "other", "bundle"), key); err != nil {
		return err
	}
	text := fmt.Sprintf("%spacked by: %s\n\n%s\n", head, m.by, f.about)
	return os.WriteFile(filepath.Join(dir, "vector.txt"), []byte(text), 0o644)
}

// make puts the fault into a bundle.
func (f fault) make(bundle, other, key string) error {
	if f.change != nil {
		return f.change(bundle)
	}
	o, err := open(bundle, key)
	if err != nil {
		return err
	}
	if f.also != nil {
		p, err := open(other, key)
		if err != nil {
			return err
		}
		err = f.also(o, p)
		return errors.Join(err, o.seal())
	}
	if err := f.inside(o); err != nil {
		return err
	}
	return o.seal()
}

// exits says which commands do not exit with 0.
func exits(name string) string {
	switch name {
	case "blob-huge", "blob-outside", "blob-twice", "blobs-claimed", "blobs-overlap", "document-name", "end-missing", "index-of-another", "index-window", "kind-unknown", "path-up", "root-absent", "tag-wrong":
		return "inspect=4 unpack=4 render=4 rekey=2 serve=4 diff=4"
	case "blob-wrong", "frame-window", "segment-of-another":
		return "unpack=4 render=1"
	case "bundle-json", "drive-json", "lines", "seal-lost", "signature-flipped":
		return "verify=4 inspect=4 unpack=4 render=4 rekey=4 sign=4 serve=4 diff=4 parity=4"
	case "copy-bundle-json", "copy-key-1-age":
		return "verify=4 rekey=4 sign=4 parity=4"
	case "extras-json", "parity-helps":
		return "verify=4 inspect=4 unpack=4 render=4 copy=4 rekey=4 sign=4 serve=4 diff=4 parity=4"
	case "index-age", "key-1-age":
		return "verify=4 inspect=4 unpack=4 render=4 rekey=4 serve=4 diff=4"
	case "index-flipped", "key-lost", "seals-lost", "segment-longer", "segment-missing", "signature-of-another":
		return "verify=4 inspect=4 unpack=4 render=4 copy=4 repair=4 rekey=4 sign=4 serve=4 diff=4 parity=4"
	case "key-extra":
		return "verify=4 repair=4 sign=4"
	case "key-of-another":
		return "inspect=4 unpack=4 render=4 rekey=4 serve=4 diff=4"
	case "key-work":
		return "verify=4 inspect=5 unpack=5 render=5 copy=4 repair=4 rekey=4 sign=4 serve=5 diff=5 parity=4"
	case "parity-flipped":
		return "verify=4 copy=4"
	case "readme-txt", "sha256sums":
		return "verify=4 sign=4"
	case "segment-extra":
		return "verify=4 inspect=4 unpack=4 render=4 repair=4 rekey=4 sign=4 serve=4 diff=4 parity=4"
	case "segment-zeroed":
		return "verify=4 unpack=4 render=1 copy=4 repair=4 parity=4"
	case "table-wrong":
		return "unpack=4 render=1 rekey=2"
	}
	return ""
}
