package bundle

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
)

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
	v.checkKeys(now)
	if err != nil {
		v.checkByNames(ctx, now, err)
		return
	}
	if string(f.extras) != string(v.bodies[seal.ExtrasName]) {
		v.fault(seal.ExtrasName, "is not written as it must be")
	}
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

// checkByNames checks what is derived where a key file or a signature is lost with its copy: SHA256SUMS
// follows from names and checksums alone, and has that of README.txt.
func (v *verification) checkByNames(ctx context.Context, now smallFiles, lost error) {
	extras := seal.FileOf(seal.ExtrasName, v.bodies[seal.ExtrasName])
	v.compare(ctx, copyOf(extras))
	found, err := v.dir.ReadFile(seal.SumsName, seal.MaxSize)
	found = unixLines(found)
	readme := seal.File{Name: seal.ReadmeName}
	for line := range strings.Lines(string(found)) {
		if sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  "); name == seal.ReadmeName {
			readme.SHA256 = sum
		}
	}
	if sums := sumsByNames(now, v.extras.Files, extras, readme.SHA256); err != nil || string(found) != string(sums) {
		v.fault(seal.ReadmeName, "cannot be checked: "+lost.Error())
		v.fault(seal.SumsName, "cannot be checked: "+lost.Error())
		return
	}
	v.compare(ctx, seal.FileOf(seal.SumsName, found))
	switch body, err := v.readFile(seal.ReadmeName, seal.MaxSize); {
	case missing(err):
		v.fault(seal.ReadmeName, "is missing")
	case err != nil:
		v.fault(seal.ReadmeName, "cannot be read: "+err.Error())
	case seal.Sum(body) != readme.SHA256:
		v.fault(seal.ReadmeName, "differs from what it must be")
	default:
		v.files++
		v.bytes += int64(len(body))
	}
}

// sumsByNames is SHA256SUMS by names and checksums alone; named are the files of extras.json.
func sumsByNames(now smallFiles, named []seal.File, extras seal.File, readme string) []byte {
	bound := slices.Concat(now.sealed, named, []seal.File{extras})
	return seal.Sums(slices.Concat(now.segments, bound, copiesOf(bound), []seal.File{{Name: seal.ReadmeName, SHA256: readme}}))
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
		var second []byte
		if err == nil {
			second, err = v.dir.ReadFile(seal.CopyDir+"/"+name, keys.MaxFile)
		}
		if err == nil {
			_, err = keys.Inspect(body)
		}
		if err != nil || string(body) != string(second) {
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
		case v.extras.Bundle == "" && (seal.KeyNumber(f.Name) > 0 || seal.IsAdded(f.Name)): // what names them is lost
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
