package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
	"github.com/satchel-airgap/satchel/oci/text"
)

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
	seen, kept := map[string]bool{}, 0
	for _, f := range r.files {
		body, ok := r.readManifest(f)
		sum := seal.Sum(body)
		if !ok || seen[sum] {
			continue
		}
		if len(r.links) == mostSendings || len(r.links) > 0 && kept+len(body) > maxLinkManifest {
			r.notes = append(r.notes, fmt.Sprintf("there are more than %s, or more than %s of them: not all were looked at", text.Count(mostSendings, "different manifest", "different manifests"), FormatSize(maxLinkManifest)))
			break
		}
		l, err := parseLink(body)
		if needs := asNeeds(r.dir, err); needs != nil {
			return nil, needs
		}
		switch {
		case err != nil:
			r.wrong = append(r.wrong, Fault{f.name, "is no manifest that can be used: " + err.Error()})
		case r.opts.Expect != "" && l.Fingerprint != r.opts.Expect:
			others = append(others, l.Fingerprint)
			r.wrong = append(r.wrong, Fault{f.name, "is the manifest of another bundle, " + l.Bundle})
		case r.opts.Bundle != "" && l.Bundle != r.opts.Bundle:
		default:
			l.manifest = nil // what it says is enough
			r.links, kept, seen[sum] = append(r.links, l), kept+len(body), true
		}
	}
	if len(r.links) == 0 && len(others) > 0 {
		return nil, &FingerprintError{Want: r.opts.Expect, Got: others[0]}
	}
	if len(r.links) == 0 {
		return nil, nil
	}
	for _, l := range r.links[1:] {
		if l.Bundle != r.links[0].Bundle || l.Fingerprint != r.links[0].Fingerprint && l.Fingerprint != "" && r.links[0].Fingerprint != "" {
			return nil, &RefusedError{Dir: r.dir, Reason: fmt.Sprintf("there are manifests of two bundles: %s (fingerprint %s) and %s (%s)", r.links[0].Bundle, r.links[0].Fingerprint, l.Bundle, l.Fingerprint),
				hint: "say which one is meant: --bundle ID, or --expect FINGERPRINT"}
		}
	}
	best := r.best()
	return best, best.checkTrust(r.opts.Trust)
}

// mostSendings is how many different manifests are looked at.
const mostSendings = 20

// checkTrust refuses a sending that not enough of those who are trusted have signed, before
// anything of it is put anywhere.
func (l *Link) checkTrust(trust *Trust) error {
	if trust == nil {
		return nil
	}
	last := l.drives[len(l.drives)-1]
	body, ok := last.small[seal.BundleName]
	if !ok {
		return &RefusedError{Dir: "the sending of bundle " + l.Bundle, Reason: "it does not have the seal, so nobody can say who has signed it", hint: "have the last drive sent too"}
	}
	var sigs []Signature
	for name, sig := range last.small {
		if of, _, ok := seal.ParseSignature(name); ok && of == seal.BundleName {
			sigs = append(sigs, Signature{File: name, Body: sig})
		}
	}
	_, err := trust.CheckWhen(sign.BundleNamespace, body, sigs, func() (time.Time, error) {
		b, err := seal.ParseBundle(body)
		return b.Created, err
	})
	if failed, ok := errors.AsType[*TrustError](err); ok {
		failed.What = "bundle " + l.Bundle
	}
	return err
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
		return cmp.Or(cmp.Compare(count(a), count(b)), cmp.Compare(len(a.drives), len(b.drives)))
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

// unknown says what can be said without a manifest: nil if no file is there at all. Which bundle it
// is, only names can say that the link has not changed.
func (r *receiver) unknown() *Arrival {
	for _, f := range r.files {
		m := linkNamePattern.FindStringSubmatch(strings.ToLower(f.name))
		if m == nil {
			m = linkManifestPattern.FindStringSubmatch(strings.ToLower(f.name))
		}
		if m != nil {
			return &Arrival{Bundle: m[1], Wrong: r.wrong, List: LinkList{id: m[1]}, Found: len(r.files)}
		}
	}
	if len(r.files) == 0 {
		return nil
	}
	return &Arrival{Wrong: r.wrong, Found: len(r.files)}
}
