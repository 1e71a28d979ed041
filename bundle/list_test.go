package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// places lists the directories of bundles below dir, each with "!" if something is wrong with it.
func places(t *testing.T, dir string) (list []string) {
	t.Helper()
	found, notes, err := List(dir, "")
	if err != nil || len(notes) > 0 {
		t.Errorf("%v, %v", notes, err)
	}
	for _, f := range found {
		name, err := filepath.Rel(dir, f.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if f.Err != nil {
			name += "!"
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// TestList finds what is on a drive: no link is followed, and no copy taken for a bundle.
func TestList(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	drive := filepath.Join(t.TempDir(), "media", "drive")
	unfinished := map[string][]byte{seal.DriveName: []byte("{}")}
	without := func(names ...string) map[string][]byte {
		m := map[string][]byte{}
		for name, body := range s.whole {
			if !slices.Contains(names, name) {
				m[name] = body
			}
		}
		return m
	}
	for dir, content := range map[string]map[string][]byte{
		"satchel-" + s.id(t):          s.whole,
		"week 2 - Copy":               s.whole,
		"from/zip":                    s.whole,
		"one/two/three":               s.whole, // too deep
		"$RECYCLE.BIN/x":              s.whole,
		".Trash-1000/files":           s.whole,
		"begun":                       unfinished,
		"no segment":                  without("s-00-00001.age"),
		"no seals":                    without(seal.BundleName, seal.DriveName),
		"no readme":                   without(seal.ReadmeName),
		"photos":                      {"README.txt": {1}, "SHA256SUMS": {1}, "bundle.js": {1}, "copy/bundle.json.txt": {1}},
		"System Volume Information/x": s.whole,
	} {
		write(t, filepath.Join(drive, dir), content)
	}
	if err := os.Symlink(s.drive, filepath.Join(drive, "linked")); err != nil {
		t.Fatal(err)
	}
	want := []string{"begun!", "from/zip", "no readme", "no seals!", "no segment!", "satchel-" + s.id(t), "week 2 - Copy"}
	if got := places(t, drive); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if got := places(t, filepath.Dir(drive)); !slices.Contains(got, "drive/week 2 - Copy") || slices.Contains(got, "drive/from/zip") {
		t.Errorf("from the directory above: %q", got)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(drive, "from"), link); err != nil {
		t.Fatal(err)
	}
	if got := places(t, link); len(got) != 1 {
		t.Errorf("a link that is named: %q", got)
	}
	var refused *RefusedError
	if _, err := Open(t.Context(), []string{filepath.Join(drive, "from/zip/copy")}, Wanted{}, s.identity); !errors.As(err, &refused) || !strings.HasSuffix(refused.Hint(), "from/zip") {
		t.Errorf("the second copies: %v", err)
	}
	list, _, err := List(s.drive, "")
	if err != nil || len(list) != 1 || list[0].Bundle != s.id(t) || !list[0].Sealed || list[0].Sequence != 1 || list[0].Fingerprint != s.finger || list[0].Created.IsZero() {
		t.Fatalf("%+v, %v", list, err)
	}
	var size int64
	for _, body := range s.whole {
		size += int64(len(body))
	}
	if list[0].Size != size {
		t.Errorf("%d bytes, want %d", list[0].Size, size)
	}
}

// id is the bundle's ID.
func (s *sealed) id(t *testing.T) string {
	t.Helper()
	b, err := seal.ParseBundle(s.whole[seal.BundleName])
	if err != nil {
		t.Fatal(err)
	}
	return b.Bundle
}

// TestListBounds has a directory with more in it than is looked at.
func TestListBounds(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	drive := t.TempDir()
	for i := range 3000 {
		write(t, filepath.Join(drive, "a"), map[string][]byte{fmt.Sprint(i): nil})
	}
	write(t, filepath.Join(drive, "b"), s.whole)
	small := &search{most: 1 << 20, mostInOne: 2000}
	if err := small.below(drive); err != nil || len(small.found) != 1 || len(small.notes) != 1 || !strings.Contains(small.notes[0], "/a holds too many files") {
		t.Errorf("%+v, %v", small, err)
	}
	small = &search{most: 2000, mostInOne: 1 << 20}
	if err := small.below(drive); err != nil || len(small.found) != 0 || small.names > 3000 || len(small.notes) == 0 {
		t.Errorf("%+v, %v", small, err)
	}
}

// deniedDrive names the drive that TestListDenied looks into as another user.
const deniedDrive = "SATCHEL_TEST_DENIED"

// TestListDenied has directories that may not be read. Root may read everything, so it runs
// the test again as another user.
func TestListDenied(t *testing.T) {
	if drive := os.Getenv(deniedDrive); drive != "" {
		listDenied(t, drive)
		return
	}
	drive := t.TempDir()
	write(t, filepath.Join(drive, "whole"), newSealed(t, false).whole)
	for _, sub := range []string{"a", "b/c"} {
		if err := os.MkdirAll(filepath.Join(drive, sub), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(drive, sub), 0); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getuid() != 0 {
		listDenied(t, drive)
		return
	}
	if err := os.Chmod(filepath.Dir(drive), 0o755); err != nil { // where the tests' directories are
		t.Fatal(err)
	}
	const self = "/proc/self/exe" // the test's own directory may be closed to others
	if _, err := os.Stat(self); err != nil {
		t.Skip(self + " is not there: nothing can be run as another user")
	}
	cmd := proctest.Command(t, self, "-test.v", "-test.run=^TestListDenied$")
	cmd.Env, cmd.Dir = append(os.Environ(), deniedDrive+"="+drive), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("another user may not be taken here: %v", err)
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestListDenied")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// listDenied wants the one bundle that may be read, and a note of each directory that may not.
func listDenied(t *testing.T, drive string) {
	list, notes, err := List(drive, "")
	if err != nil || len(list) != 1 || filepath.Base(list[0].Dir) != "whole" || list[0].Err != nil {
		t.Errorf("%+v, %v", list, err)
	}
	if len(notes) != 2 || !strings.Contains(notes[0], "/a: permission denied") || !strings.Contains(notes[1], "/b/c: permission denied") {
		t.Errorf("%q", notes)
	}
	if list, _, err := List(filepath.Join(drive, "a"), ""); !errors.Is(err, fs.ErrPermission) || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

// renamed gives the files of a bundle other names.
func renamed(all map[string][]byte, to func(string) string) map[string][]byte {
	m := map[string][]byte{}
	for name, body := range all {
		m[to(name)] = body
	}
	return m
}

// TestRenamedByACopy reads a bundle whose names a copy has changed so that they can be told.
func TestRenamedByACopy(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	for name, to := range map[string]func(string) string{
		"capitals": strings.ToUpper,
		"ISO 9660": func(n string) string {
			n = strings.ToUpper(strings.ReplaceAll(n, "-", "_"))
			if !strings.Contains(filepath.Base(n), ".") {
				n += "."
			}
			return n + ";1"
		},
		"the directory alone": func(n string) string { return strings.ReplaceAll(n, "copy/", "COPY/") },
		"small letters":       func(n string) string { return strings.ToLower(strings.ReplaceAll(n, "-", "_")) }, // as Linux shows such a disc
	} {
		t.Run(name, func(t *testing.T) {
			drive := t.TempDir()
			write(t, filepath.Join(drive, "SATCHEL"), renamed(s.whole, to))
			r, err := Verify(t.Context(), []string{drive}, VerifyOptions{Expect: s.finger})
			if err != nil || !r.Renamed || len(r.Faults) > 0 || r.Files != len(s.whole) {
				t.Fatalf("%+v, %v", r, err)
			}
			if list, _, err := List(drive, ""); err != nil || len(list) != 1 || list[0].Size != r.Bytes {
				t.Errorf("the size of %+v is not %d, %v", list, r.Bytes, err)
			}
			rd, err := Open(t.Context(), []string{drive}, Wanted{Expect: s.finger}, s.identity)
			if err != nil {
				t.Fatal(err)
			}
			if err := rd.Close(); err != nil {
				t.Fatal(err)
			}
			var refused *RefusedError
			if _, err := Rekey(t.Context(), []string{drive}, Wanted{}, s.identity, s.job.Recipients); !errors.As(err, &refused) {
				t.Errorf("rekey: %v", err)
			}
			segment := filepath.Join(drive, "SATCHEL", to("s-00-00001.age"))
			if err := os.Truncate(segment, 5); err != nil {
				t.Fatal(err)
			}
			var damage *DamageError
			if _, err := Verify(t.Context(), []string{drive}, VerifyOptions{}); !errors.As(err, &damage) || damage.Faults[0].String() != "s-00-00001.age is truncated" {
				t.Errorf("damaged: %v", err)
			}
		})
	}
}

// TestShortNames has names cut short, as ISO 9660 level 1 and FAT without long names do.
func TestShortNames(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	for name, to := range map[string]func(base, ext string, n int) string{
		"level 1": func(base, ext string, n int) string {
			return fmt.Sprintf("%.5s%03d.%.3s;1", strings.ReplaceAll(base, "-", "_"), n, ext)
		},
		"FAT":       func(base, ext string, n int) string { return fmt.Sprintf("%.5s~%d.%.3s", base, n, ext) },
		"lowercase": func(base, ext string, n int) string { return strings.ToLower(fmt.Sprintf("%.8s.%.3s", base, ext)) },
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			short := renamed(s.whole, func(file string) string {
				dir, file := filepath.Split(file)
				base, ext, _ := strings.Cut(strings.ToUpper(file), ".")
				n++
				return strings.ToUpper(dir) + to(base, ext, n)
			})
			drive := t.TempDir()
			write(t, filepath.Join(drive, "DISC"), short)
			var changed *CopyError
			if _, err := Verify(t.Context(), []string{drive}, VerifyOptions{}); !errors.As(err, &changed) || changed.Name == "" {
				t.Errorf("Verify: %v", err)
			}
			if _, err := Open(t.Context(), []string{drive}, Wanted{}, s.identity); !errors.As(err, &changed) {
				t.Errorf("Open: %v", err)
			}
			if got := places(t, drive); !slices.Equal(got, []string{"DISC!"}) {
				t.Errorf("found %q", got)
			}
		})
	}
}

// TestCopiedAsText has line ends changed: in text alone, or in everything.
func TestCopiedAsText(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	dos := func(body []byte) []byte { return bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n")) }
	for name, c := range map[string]struct {
		hit    func(file string) bool
		whole  bool
		opened bool
	}{
		"text":       {isText, true, false},
		"README.txt": {func(f string) bool { return f == seal.ReadmeName }, true, true},
		"all":        {func(string) bool { return true }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			drive := t.TempDir()
			for file, body := range s.whole {
				if c.hit(file) {
					body = dos(body)
				}
				write(t, drive, map[string][]byte{file: body})
			}
			var changed *CopyError
			r, err := Verify(t.Context(), []string{drive}, VerifyOptions{Expect: s.finger})
			if !errors.As(err, &changed) || (len(changed.Faults) == 0) != c.whole || len(r.LineEnds) == 0 || strings.Contains(err.Error(), "whole;") || strings.Contains(err.Error(), "carries is whole") != c.whole {
				t.Errorf("Verify: %+v, %v", r, err)
			}
			if _, err := Open(t.Context(), []string{drive}, Wanted{Expect: s.finger}, s.identity); (err == nil) != c.opened || !c.opened && !errors.As(err, &changed) {
				t.Errorf("Open: %v", err)
			}
		})
	}
	// A seal that says something else is damage, whatever its line ends.
	drive := t.TempDir()
	write(t, drive, s.whole)
	write(t, drive, map[string][]byte{seal.DriveName: dos(bytes.Replace(s.whole[seal.DriveName], []byte(`"size": `), []byte(`"size": 1`), 1))})
	var damage *DamageError
	if _, err := Verify(t.Context(), []string{drive}, VerifyOptions{}); !errors.As(err, &damage) || damage.Whole {
		t.Errorf("another seal: %v", err)
	}
}

// TestWhatIsDerived is lost: what the bundle carries is whole.
func TestWhatIsDerived(t *testing.T) {
	t.Parallel()
	s := newSealed(t, false)
	for _, lost := range [][]string{{seal.ReadmeName}, {seal.SumsName}, {seal.CopyDir}, {seal.ReadmeName, seal.SumsName, seal.CopyDir}, {seal.CopyDir + "/" + seal.BundleName}} {
		drive := t.TempDir()
		write(t, drive, s.whole)
		for _, name := range lost {
			if err := os.RemoveAll(filepath.Join(drive, name)); err != nil {
				t.Fatal(err)
			}
		}
		var damage *DamageError
		if _, err := Verify(t.Context(), []string{drive}, VerifyOptions{}); !errors.As(err, &damage) || !damage.Whole || !strings.Contains(err.Error(), "what it carries is whole") {
			t.Errorf("without %s: %v", lost, err)
		}
		r, err := Open(t.Context(), []string{drive}, Wanted{Expect: s.finger}, s.identity)
		if err != nil {
			t.Fatalf("without %s: %v", lost, err)
		}
		if err := errors.Join(r.Close(), os.Truncate(filepath.Join(drive, "s-00-00001.age"), 3)); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(t.Context(), []string{drive}, VerifyOptions{}); !errors.As(err, &damage) || damage.Whole {
			t.Errorf("without %s, and a segment cut short: %v", lost, err)
		}
	}
}
