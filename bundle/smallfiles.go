package bundle

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
)

// smallFiles are the small files of a sealed bundle that extras.json and what is
// derived depend on.
type smallFiles struct {
	bundle      string
	plain       bool              // it is not encrypted
	text        int               // the wording of README.txt
	sparse      bool              // it leaves out what earlier bundles brought
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
	extras.Files = append(extras.Files, s.parity...)
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
	for _, b := range bound {
		if !seal.IsParityFile(b.Name) {
			f.copies = append(f.copies, copyOf(b))
		}
	}
	list := slices.Concat(s.segments, bound, f.copies, []seal.File{seal.FileOf(seal.ReadmeName, f.readme)})
	f.sums = seal.Sums(list)
	f.all = append(list, seal.FileOf(seal.SumsName, f.sums))
	return f, nil
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
	about := seal.About{Bundle: s.bundle, Age: age, Why: why, Ways: ways, Signatures: s.signatureNames(), Sparse: s.sparse, Plain: s.plain, Drive: s.drive, Of: s.of}
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

// checkSmall compares the copies with their originals and what is derived with
// what it is derived from.
func (v *verification) checkSmall(ctx context.Context) {
	bound := append(v.driveSignatures(), v.extras.Files...)
	if v.isLast() {
		bound = append(bound, v.bundle.Index, v.counted(seal.BundleName))
	}
	bound = append(bound, v.counted(seal.DriveName))
	bound = slices.DeleteFunc(bound, func(f seal.File) bool { return seal.IsParityFile(f.Name) }) // of which there is no copy
	for _, f := range bound {
		v.compare(ctx, copyOf(f))
	}
	v.checkAdding()
	if v.extras.Bundle != "" {
		v.counted(seal.ExtrasName)
		v.checkDerived(ctx)
	}
	v.checkCopies(bound)
}

func (v *verification) counted(name string) seal.File {
	f := seal.FileOf(name, v.bodies[name])
	if name == seal.BundleName && v.second {
		return f // it was not read
	}
	v.files++
	v.bytes += f.Size
	return f
}

// checkDerived builds what is derived again: as it must be now, and as an
// interrupted rekey that got far has left it.
func (v *verification) checkDerived(ctx context.Context) {
	now, err := v.smallFiles()
	var f derivedFiles
	if err == nil {
		f, err = now.derive()
	}
	if err != nil {
		for _, name := range []string{seal.ReadmeName, seal.SumsName, seal.CopyDir + "/" + seal.ExtrasName} {
			v.fault(name, "cannot be checked: "+err.Error())
		}
		return
	}
	if string(f.extras) != string(v.bodies[seal.ExtrasName]) {
		v.fault(seal.ExtrasName, "is not written as it must be")
	}
	v.checkKeys(now)
	may := []derivedFiles{f}
	if all := v.allKeys(now); len(all) > 0 {
		next := now
		next.keys, next.extras = all, nil
		if later, err := next.derive(); err == nil {
			may = append(may, later)
		}
	}
	if signed := v.signedLater(now, f); signed != nil {
		may = append(may, *signed)
	}
	if added := v.addedLater(now); added != nil {
		may = append(may, *added)
	}
	var readmes, sums, extras []seal.File
	for _, m := range may {
		readmes = append(readmes, seal.FileOf(seal.ReadmeName, m.readme))
		sums = append(sums, seal.FileOf(seal.SumsName, m.sums))
		extras = append(extras, copyOf(seal.FileOf(seal.ExtrasName, m.extras)))
	}
	v.compare(ctx, readmes...)
	v.compare(ctx, sums...)
	v.compare(ctx, extras...)
}

// signedLater is what a signing that was interrupted was to make of the small files, nil if
// none was: the copy of extras.json comes first, and names the signatures that were added.
func (v *verification) signedLater(now smallFiles, f derivedFiles) *derivedFiles {
	if len(v.unlisted()) == 0 {
		return nil
	}
	body, err := v.dir.ReadFile(seal.CopyDir+"/"+seal.ExtrasName, seal.MaxSize)
	if err != nil || string(unixLines(body)) == string(f.extras) {
		return nil
	}
	extras, err := seal.ParseExtras(unixLines(body))
	if err != nil {
		return nil
	}
	next := now
	next.extras, next.packedBy, next.signatures = nil, extras.PackedBy, map[string][]byte{}
	for _, sig := range v.driveDir.signatures {
		if slices.Contains(extras.Files, seal.FileOf(sig.file, sig.body)) {
			next.signatures[sig.file] = sig.body
		}
	}
	later, err := next.derive()
	if err != nil || string(later.extras) != string(unixLines(body)) {
		return nil
	}
	v.signing = v.unlisted()
	return &later
}

// smallFiles collects what the derived files depend on, from the copies where the
// originals are damaged.
func (s *driveDir) smallFiles() (smallFiles, error) {
	all := smallFiles{
		bundle: s.drive.Bundle, text: s.drive.Readme, driveSum: s.ownSum(), drive: s.drive.Drive, of: s.drive.Of, segments: s.drive.Files, keys: map[string][]byte{}, signatures: map[string][]byte{},
		sealed: append(s.driveSignatures(), seal.FileOf(seal.DriveName, s.bodies[seal.DriveName])), packedBy: s.extras.PackedBy, plain: s.plain(),
	}
	if s.isLast() {
		all.finger, all.text, all.sparse = s.finger, s.bundle.Readme, s.bundle.Has(seal.Baseline)
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
		body, err := s.twice(f)
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

// twice reads a file that extras.json names, or its copy.
func (s *driveDir) twice(f seal.File) ([]byte, error) {
	for _, name := range []string{f.Name, seal.CopyDir + "/" + f.Name} {
		body, err := s.dir.ReadFile(name, keys.MaxFile)
		if seal.IsSignature(f.Name) {
			body = unixLines(body)
		}
		if err == nil && seal.FileOf(f.Name, body) == f {
			return body, nil
		}
	}
	return nil, &keys.FileError{Name: f.Name, Why: "and its copy are damaged"}
}

// kind reads from the header of a file that is encrypted to the bundle key whether that is
// post-quantum: the index, or a segment of a drive that has no index.
func (s *driveDir) kind() (postQuantum bool, err error) {
	names, what := []string{seal.IndexName, seal.CopyDir + "/" + seal.IndexName}, "and its copy are damaged"
	if !s.isLast() {
		names, what = nil, "and all other segments are damaged"
		for _, f := range s.drive.Files {
			names = append(names, f.Name)
		}
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
	return false, &keys.FileError{Name: names[0], Why: what}
}

// checkKeys looks for key files that no writer makes.
func (v *verification) checkKeys(now smallFiles) {
	for name, body := range now.keys {
		h, err := keys.Inspect(body)
		if err == nil {
			err = h.Check(now.postQuantum)
		}
		if err != nil {
			v.fault(name, err.Error())
		}
	}
}

// allKeys gives all key files, those that an interrupted rekey wrote too.
// One that rekey cannot have left is extra.
func (v *verification) allKeys(now smallFiles) map[string][]byte {
	all := map[string][]byte{}
	var pending []string
	for _, name := range v.pending {
		body, err := v.dir.ReadFile(name, keys.MaxFile)
		var twin []byte
		if err == nil {
			twin, err = v.dir.ReadFile(seal.CopyDir+"/"+name, keys.MaxFile)
		}
		if err == nil {
			_, err = keys.Inspect(body)
		}
		if err != nil || string(body) != string(twin) {
			v.fault(name, "is extra: extras.json does not name it")
			continue
		}
		all[name] = body
		pending = append(pending, name)
	}
	v.pending = pending
	if len(all) == 0 {
		return nil
	}
	for name, body := range now.keys {
		all[name] = body
	}
	return all
}

// isKeyFile reports whether the file is one that age would open with a key.
func (v *verification) isKeyFile(name string) bool {
	body, err := v.dir.ReadFile(name, keys.MaxFile)
	if err == nil {
		_, err = keys.Inspect(body)
	}
	return err == nil
}

// isUnlisted reports whether a copy is that of a signature which nothing names: the same
// bytes, or what a signing that was interrupted wrote first.
func (v *verification) isUnlisted(original, name string) bool {
	of, _, ok := seal.ParseSignature(original)
	if !ok {
		return false
	}
	body, err := v.dir.ReadFile(name, sign.MaxFile)
	if err == nil {
		_, err = Signature{File: name, Body: body}.Of(namespaceOf(of), v.bodies[of])
	}
	return err == nil
}

func (v *verification) hasFile(name string) bool {
	_, err := v.dir.Stat(name)
	return err == nil
}

// compare checks a file that no seal names against what it must be, or may be.
func (v *verification) compare(ctx context.Context, want ...seal.File) {
	name := want[0].Name
	got, err := hashFile(ctx, v.dir, name, v.opts.Cold, nil)
	switch {
	case ctx.Err() != nil: // reported by the caller
	case errors.Is(err, fs.ErrNotExist):
		v.fault(name, "is missing")
	case err != nil:
		v.fault(name, "cannot be read: "+err.Error())
	case !slices.Contains(want, got) && v.wasConverted(name, want):
		v.crlf = append(v.crlf, name)
	case !slices.Contains(want, got):
		v.fault(name, "differs from what it must be")
	default:
		v.files++
		v.bytes += got.Size
	}
}

// checkCopies finds files among the copies that have no original.
func (v *verification) checkCopies(bound []seal.File) {
	files, others, err := v.dir.List(seal.CopyDir)
	if err != nil {
		v.fault(seal.CopyDir, "cannot be read: "+err.Error())
		return
	}
	for _, f := range files {
		name := seal.CopyDir + "/" + f.Name
		original := f.Name == seal.ExtrasName || slices.ContainsFunc(bound, func(s seal.File) bool { return s.Name == f.Name })
		switch {
		case original || slices.Contains(v.pending, f.Name) || slices.Contains(v.adding, f.Name) || v.blamed(f.Name):
		case v.isPending(f.Name) && v.isKeyFile(name):
			v.pending = append(v.pending, name)
		case v.isAdding(f.Name):
			v.checkAddedCopy(name)
		case v.isUnlisted(f.Name, name):
			if !v.hasFile(f.Name) {
				v.temps = append(v.temps, name)
			}
		case seal.Known(f.Name, false):
			v.fault(name, "is extra: it is a copy of nothing")
		case seal.Known(f.Name, true):
			v.temps = append(v.temps, name)
		}
	}
	for _, name := range others {
		if seal.Known(name, false) {
			v.fault(seal.CopyDir+"/"+name, "is not a regular file")
		}
	}
}
