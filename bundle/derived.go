package bundle

import (
	"cmp"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// small are the small files of a sealed bundle that extras.json and what is
// derived depend on.
type small struct {
	bundle      string
	finger      Fingerprint
	postQuantum bool              // the bundle key
	segments    []seal.File       // in name order
	sealed      []seal.File       // index.age, drive.json, bundle.json
	keys        map[string][]byte // the key files, by name
	extras      []byte            // extras.json as it stands, if it has more in it than this version writes
}

// follow is what follows from the key files and the seals.
type follow struct {
	extras, readme, sums []byte
	copies               []seal.File // what the copies must be
}

// follow builds extras.json, README.txt and SHA256SUMS.
func (s small) follow() (f follow, err error) {
	extras := seal.Extras{Bundle: s.bundle, Seal: string(s.finger)}
	for _, name := range slices.Sorted(maps.Keys(s.keys)) {
		extras.Files = append(extras.Files, seal.FileOf(name, s.keys[name]))
	}
	if f.extras = s.extras; f.extras == nil {
		if f.extras, err = extras.Marshal(); err != nil {
			return f, err
		}
	}
	if f.readme, err = s.readme(); err != nil {
		return f, err
	}
	bound := append(slices.Clone(s.sealed), extras.Files...)
	bound = append(bound, seal.FileOf(seal.ExtrasName, f.extras))
	for _, b := range bound {
		f.copies = append(f.copies, copyOf(b))
	}
	list := slices.Concat(s.segments, bound, f.copies, []seal.File{seal.FileOf(seal.ReadmeName, f.readme)})
	f.sums = seal.Sums(list)
	return f, nil
}

// readme says how each key file is opened, by what anyone can see of it.
func (s small) readme() ([]byte, error) {
	names := slices.SortedFunc(maps.Keys(s.keys), func(a, b string) int {
		return cmp.Compare(seal.KeyNumber(a), seal.KeyNumber(b))
	})
	age, why := "age", "any version"
	var ways []seal.Opening
	for _, name := range names {
		h, err := keys.Inspect(s.keys[name])
		if err != nil {
			return nil, &keys.FileError{Name: name, Why: err.Error()}
		}
		if h.Plugin() {
			age, why = "age 1.1 or newer", "plugins need it"
		}
		for _, w := range h.Ways() {
			ways = append(ways, seal.Opening{File: name, Identity: w.Identity, Note: w.Note})
		}
	}
	if s.postQuantum {
		age, why = "age 1.3 or newer", "the keys of this bundle are post-quantum"
	}
	return seal.Readme(s.bundle, age, why, ways), nil
}

// copyOf is what the copy of a small file must be.
func copyOf(f seal.File) seal.File {
	f.Name = seal.CopyDir + "/" + f.Name
	return f
}
