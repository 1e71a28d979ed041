package bundle

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// smallFiles are the small files of a sealed bundle that extras.json and what is
// derived depend on.
type smallFiles struct {
	bundle      string
	plain       bool              // it is not encrypted
	text        int               // the wording of README.txt
	sparse      bool              // it leaves out what earlier bundles brought
	damaged     string            // the bundle that it supplements, "" for none
	found       []byte            // README.txt as it is, for a wording that this version does not know
	finger      Fingerprint       // "" on a drive that is not the last one
	drive, of   int               // which drive of how many it is; of is 0 in a bundle of one
	driveSum    string            // SHA-256 of drive.json, on a drive that is not the last one
	postQuantum bool              // the bundle key
	segments    []seal.File       // in name order
	sealed      []seal.File       // the index, drive.json and its signatures, bundle.json; drive.json alone on a drive that is not the last one
	keys        map[string][]byte // the key files, by name
	signatures  map[string][]byte // of bundle.json, by name; of drive.json on a drive that is not the last one
	parity      []seal.File       // parity.json and the parity files, none where there is no parity
	others      []seal.File       // copies of small files of other drives, where parity goes across drives
	packedBy    string            // the version that made what extras.json needs a feature for; may be empty
	extras      []byte            // extras.json as it stands, if it has more in it than this version writes
}

// derivedFiles is what follows from the key files and the seals.
type derivedFiles struct {
	extras, readme, sums []byte
	copies               []seal.File // what the copies must be
	all                  []seal.File // every file of the directory
}

// derive builds extras.json, README.txt and SHA256SUMS.
func (s smallFiles) derive() (f derivedFiles, err error) {
	extras := seal.Extras{Bundle: s.bundle, Seal: string(s.finger), Drive: s.driveSum}
	for _, files := range []map[string][]byte{s.keys, s.signatures} {
		for name, body := range files {
			extras.Files = append(extras.Files, seal.FileOf(name, body))
		}
	}
	extras.Files = slices.Concat(extras.Files, s.parity, s.others)
	slices.SortFunc(extras.Files, func(a, b seal.File) int { return cmp.Compare(a.Name, b.Name) })
	extras.Needs = seal.Uses(s.packedBy, s.added()...)
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
	f.copies = copiesOf(bound)
	list := slices.Concat(s.segments, bound, f.copies, []seal.File{seal.FileOf(seal.ReadmeName, f.readme)})
	f.sums = seal.Sums(list)
	f.all = append(list, seal.FileOf(seal.SumsName, f.sums))
	return f, nil
}

// copiesOf are the copies of small files; of parity files there are none.
func copiesOf(bound []seal.File) (list []seal.File) {
	for _, b := range bound {
		if !seal.IsParityFile(b.Name) {
			list = append(list, copyOf(b))
		}
	}
	return list
}

// added are the features that extras.json needs.
func (s smallFiles) added() (features []string) {
	if s.plain {
		features = append(features, seal.Plain)
	}
	if len(s.signatures) > 0 {
		features = append(features, seal.Signatures)
	}
	if len(s.parity) > 0 {
		features = append(features, seal.Parities)
	}
	if len(s.others) > 0 {
		features = append(features, seal.Across)
	}
	return features
}

// readme says how each key file is opened, by what anyone can see of it.
func (s smallFiles) readme() ([]byte, error) {
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
	about := seal.About{Bundle: s.bundle, Age: age, Why: why, Ways: ways, Signatures: s.signatureNames(), Sparse: s.sparse, Damaged: s.damaged, Plain: s.plain, Drive: s.drive, Of: s.of}
	if text := about.Readme(s.text); text != nil {
		return text, nil
	}
	return s.found, nil
}

// signatureNames lists the signature files: of each seal, by number.
func (s smallFiles) signatureNames() (names []string) {
	for name := range s.signatures {
		names = append(names, name)
	}
	for _, f := range s.sealed {
		if seal.IsSignature(f.Name) {
			names = append(names, f.Name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		of, n, _ := seal.ParseSignature(a)
		other, m, _ := seal.ParseSignature(b)
		return cmp.Or(cmp.Compare(of, other), cmp.Compare(n, m))
	})
	return names
}

// copyOf is what the copy of a small file must be.
func copyOf(f seal.File) seal.File {
	f.Name = seal.CopyDir + "/" + f.Name
	return f
}

// smallFiles collects what the derived files depend on, from the copies where the
// originals are damaged.
func (s *driveDir) smallFiles() (smallFiles, error) {
	all := smallFiles{
		bundle: s.drive.Bundle, text: s.drive.Readme, driveSum: s.ownSum(), drive: s.drive.Drive, of: s.drive.Of, segments: s.drive.Files, keys: map[string][]byte{}, signatures: map[string][]byte{},
		sealed: append(s.driveSignatures(), seal.FileOf(seal.DriveName, s.bodies[seal.DriveName])), packedBy: s.extras.PackedBy, plain: s.plain(),
	}
	if s.isLast() {
		all.finger, all.text, all.sparse, all.damaged = s.finger, s.bundle.Readme, s.bundle.Has(seal.Baseline), supplements(s.bundle)
		all.sealed = append(all.sealed, s.bundle.Index, seal.FileOf(seal.BundleName, s.bodies[seal.BundleName]))
	}
	if all.text > seal.ReadmeDrives {
		all.found, _ = s.dir.ReadFile(seal.ReadmeName, seal.MaxSize) // one that cannot be read differs from none
	}
	if s.extras.More {
		all.extras = s.bodies[seal.ExtrasName]
	}
	for _, f := range s.extras.Files {
		if seal.IsParity(f.Name) {
			all.parity = append(all.parity, f)
			continue
		}
		if seal.IsOther(f.Name) {
			all.others = append(all.others, f)
			continue
		}
		body, _, err := s.originalOrSecond(f)
		if err != nil {
			return all, err
		}
		if seal.IsSignature(f.Name) {
			all.signatures[f.Name] = body
		} else {
			all.keys[f.Name] = body
		}
	}
	if all.plain {
		return all, nil
	}
	var err error
	all.postQuantum, err = s.kind()
	return all, err
}

// kind reads from the header of a file that is encrypted to the bundle key whether that is
// post-quantum: the index, or a segment.
func (s *driveDir) kind() (postQuantum bool, err error) {
	var names []string
	if s.isLast() {
		names = []string{seal.IndexName, seal.CopyDir + "/" + seal.IndexName}
	}
	for _, f := range s.drive.Files {
		names = append(names, f.Name)
	}
	for _, name := range names {
		f, err := s.dir.Open(name)
		if err != nil {
			continue // a fault of its own
		}
		postQuantum, err = keys.IsPostQuantum(f)
		if errors.Join(err, f.Close()) == nil {
			return postQuantum, nil
		}
	}
	if len(names) == 0 {
		return false, &keys.FileError{Name: seal.DriveName, Why: "names no segment"}
	}
	return false, &keys.FileError{Name: names[0], Why: "and all other files that are encrypted to the bundle key are damaged"}
}
