package bundle

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

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
	v.files++
	v.bytes += f.Size
	return f
}

// checkDerived builds what is derived again: as it must be now, and as an
// interrupted rekey that got far has left it.
func (v *verification) checkDerived(ctx context.Context) {
	now, err := v.small()
	var f follow
	if err == nil {
		f, err = now.follow()
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
	if begun := v.begunKeys(now); len(begun) > 0 {
		next := now
		next.keys, next.extras = begun, nil
		if later, err = next.follow(); err != nil {
			later = f
		}
	}
	v.compare(ctx, seal.FileOf(seal.ReadmeName, f.readme), seal.FileOf(seal.ReadmeName, later.readme))
	v.compare(ctx, seal.FileOf(seal.SumsName, f.sums), seal.FileOf(seal.SumsName, later.sums))
	v.compare(ctx, copyOf(seal.FileOf(seal.ExtrasName, f.extras)), copyOf(seal.FileOf(seal.ExtrasName, later.extras)))
}

// small gathers what the derived files depend on, from the copies where the
// originals are damaged.
func (s *seals) small() (small, error) {
	all := small{bundle: s.bundle.Bundle, finger: s.finger, segments: s.drive.Files, keys: map[string][]byte{}, sealed: []seal.File{
		s.bundle.Index, seal.FileOf(seal.DriveName, s.bodies[seal.DriveName]), seal.FileOf(seal.BundleName, s.bodies[seal.BundleName]),
	}}
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
func (v *verification) checkKeys(now small) {
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

// begunKeys gives all key files, those that an interrupted rekey wrote too.
// One that rekey cannot have left is extra.
func (v *verification) begunKeys(now small) map[string][]byte {
	all := map[string][]byte{}
	var begun []string
	for _, name := range v.begun {
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
		begun = append(begun, name)
	}
	v.begun = begun
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
	case ctx.Err() != nil: // said by the caller
	case errors.Is(err, fs.ErrNotExist):
		v.fault(name, "is missing")
	case err != nil:
		v.fault(name, "cannot be read: "+err.Error())
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
		case original || slices.Contains(v.begun, f.Name) || v.blamed(f.Name):
		case v.isBegun(f.Name) && v.isKeyFile(name):
			v.begun = append(v.begun, name)
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
