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
)

// smallFiles are the small files of a sealed bundle that extras.json and what is
// derived depend on.
type smallFiles struct {
	bundle      string
	text        int    // the wording of README.txt
	found       []byte // README.txt as it is, for a wording that this version does not know
	finger      Fingerprint
	postQuantum bool              // the bundle key
	segments    []seal.File       // in name order
	sealed      []seal.File       // index.age, drive.json, bundle.json
	keys        map[string][]byte // the key files, by name
	extras      []byte            // extras.json as it stands, if it has more in it than this version writes
}

// derivedFiles is what follows from the key files and the seals.
type derivedFiles struct {
	extras, readme, sums []byte
	copies               []seal.File // what the copies must be
}

// derive builds extras.json, README.txt and SHA256SUMS.
func (s smallFiles) derive() (f derivedFiles, err error) {
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
	if text := seal.Readme(s.text, s.bundle, age, why, ways); text != nil {
		return text, nil
	}
	return s.found, nil
}

// copyOf is what the copy of a small file must be.
func copyOf(f seal.File) seal.File {
	f.Name = seal.CopyDir + "/" + f.Name
	return f
}

// checkSmall compares the copies with their originals and what is derived with
// what it is derived from.
func (v *verification) checkSmall(ctx context.Context) {
	bound := append([]seal.File{v.bundle.Index}, v.extras.Files...)
	for _, name := range []string{seal.BundleName, seal.DriveName} {
		bound = append(bound, v.counted(name))
	}
	for _, f := range bound {
		v.compare(ctx, copyOf(f))
	}
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
	later := f
	if all := v.allKeys(now); len(all) > 0 {
		next := now
		next.keys, next.extras = all, nil
		if later, err = next.derive(); err != nil {
			later = f
		}
	}
	v.compare(ctx, seal.FileOf(seal.ReadmeName, f.readme), seal.FileOf(seal.ReadmeName, later.readme))
	v.compare(ctx, seal.FileOf(seal.SumsName, f.sums), seal.FileOf(seal.SumsName, later.sums))
	v.compare(ctx, copyOf(seal.FileOf(seal.ExtrasName, f.extras)), copyOf(seal.FileOf(seal.ExtrasName, later.extras)))
}

// smallFiles collects what the derived files depend on, from the copies where the
// originals are damaged.
func (s *seals) smallFiles() (smallFiles, error) {
	all := smallFiles{bundle: s.bundle.Bundle, finger: s.finger, segments: s.drive.Files, keys: map[string][]byte{}, sealed: []seal.File{
		s.bundle.Index, seal.FileOf(seal.DriveName, s.bodies[seal.DriveName]), seal.FileOf(seal.BundleName, s.bodies[seal.BundleName]),
	}}
	if all.text = s.bundle.Readme; all.text > seal.ReadmeText {
		all.found, _ = s.dir.ReadFile(seal.ReadmeName, seal.MaxSize) // one that cannot be read differs from none
	}
	if s.extras.More {
		all.extras = s.bodies[seal.ExtrasName]
	}
	for _, f := range s.extras.Files {
		body, err := s.dir.ReadFile(f.Name, keys.MaxFile)
		if err != nil || seal.FileOf(f.Name, body) != f {
			if body, err = s.dir.ReadFile(seal.CopyDir+"/"+f.Name, keys.MaxFile); err != nil || seal.FileOf(f.Name, body) != f {
				return all, &keys.FileError{Name: f.Name, Why: "and its copy are damaged"}
			}
		}
		all.keys[f.Name] = body
	}
	var err error
	if all.postQuantum, err = s.indexKind(seal.IndexName); err != nil {
		if all.postQuantum, err = s.indexKind(seal.CopyDir + "/" + seal.IndexName); err != nil {
			return all, &keys.FileError{Name: seal.IndexName, Why: "and its copy are damaged"}
		}
	}
	return all, nil
}

// indexKind reads from an index's header whether the bundle key is post-quantum.
func (s *seals) indexKind(name string) (postQuantum bool, err error) {
	f, err := s.dir.Open(name)
	if err != nil {
		return false, err
	}
	postQuantum, err = keys.IsPostQuantum(f)
	return postQuantum, errors.Join(err, f.Close())
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
		case original || slices.Contains(v.pending, f.Name) || v.blamed(f.Name):
		case v.isPending(f.Name) && v.isKeyFile(name):
			v.pending = append(v.pending, name)
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
