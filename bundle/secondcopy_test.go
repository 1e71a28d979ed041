package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/media"
	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
)

// spoil changes one byte in the middle of a file.
func spoil(name string) error {
	body, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	body[len(body)/2] ^= 1
	return os.WriteFile(name, body, 0o644)
}

// TestCopyIsNoDirectory has a file in the place of the second copies: they are lost, and
// the bundle is whole.
func TestCopyIsNoDirectory(t *testing.T) {
	f := newSmall(t, false)
	f.pack(t)
	dir := filepath.Join(f.drive, seal.CopyDir)
	if err := errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	var damage *DamageError
	if r, err := Verify(t.Context(), []string{f.drive}, VerifyOptions{}); !errors.As(err, &damage) || !damage.Whole {
		t.Errorf("%+v, %v", r, err)
	}
	if err := CheckSizes(t.Context(), []string{f.drive}, Wanted{}); !errors.As(err, &damage) || !damage.Whole {
		t.Error(err)
	}
}

// TestSpaceRounded has a drive that lacks so little that both numbers read the same.
func TestSpaceRounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		free, need int64
		want       string
	}{
		{4 << 20, 4<<20 + 100, "/d has 4194304 B free, 4194404 B are needed"},
		{4 << 20, 5 << 20, "/d has 4.0 MiB free, 5.0 MiB are needed"},
	} {
		if got := (&SpaceError{Dir: "/d", Free: c.free, Need: c.need}).Error(); got != c.want {
			t.Error(got)
		}
	}
}

// TestMoreFaults: of many faults some are named, and the rest are counted.
func TestMoreFaults(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{3: "a is lost, a is lost", 4: "a is lost, and 1 more fault", 5: "a is lost, and 2 more faults"} {
		if got := (&DamageError{Dir: "/d", Faults: slices.Repeat([]Fault{{"a", "is lost"}}, n)}).Error(); !strings.HasSuffix(got, want) {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// TestAllFaultsWithoutSeal has bundle.json gone or unreadable: its second copy, where the other
// files agree with it, shows all other faults too, and no fingerprint is given.
func TestAllFaultsWithoutSeal(t *testing.T) {
	t.Parallel()
	f := newSmall(t, false)
	f.pack(t)
	sealed := files(t, f.drive)
	lose := func(names ...string) func(dir string) error {
		return func(dir string) (err error) {
			for _, name := range names {
				err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
			}
			return err
		}
	}
	for what, c := range map[string]struct {
		change func(dir string) error
		want   []string
	}{
		"missing, alone":       {lose("bundle.json"), []string{"bundle.json"}},
		"missing, with others": {lose("bundle.json", "README.txt", "s-00-00001.age", "key-1.age"), []string{"README.txt", "bundle.json", "key-1.age", "s-00-00001.age"}},
		"without extras.json":  {lose("bundle.json", "extras.json", "index.age"), []string{"bundle.json", "extras.json", "index.age"}},
		"cannot be read": {func(dir string) error {
			return errors.Join(spoilStart(dir, "bundle.json"), spoil(filepath.Join(dir, "s-00-00001.age")))
		}, []string{"bundle.json", "s-00-00001.age"}},
		"copy missing too": {lose("bundle.json", "copy/bundle.json", "README.txt"), nil},
		"copy is of other files": {func(dir string) error {
			return errors.Join(lose("bundle.json", "README.txt")(dir), spoil(filepath.Join(dir, "copy/bundle.json")))
		}, []string{"bundle.json"}},
	} {
		dir := filepath.Join(t.TempDir(), "drive")
		write(t, dir, sealed)
		if err := c.change(dir); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(t.Context(), []string{dir}, VerifyOptions{})
		var damage *DamageError
		if c.want == nil {
			if r != nil || err == nil {
				t.Errorf("%s: %+v, %v", what, r, err)
			}
			continue
		}
		var got []string
		if r != nil {
			for _, f := range r.Faults {
				got = append(got, f.File)
			}
		}
		if !errors.As(err, &damage) || damage.Whole || len(damage.Faults) != len(got) || !slices.Equal(got, c.want) || r.Fingerprint != "" {
			t.Errorf("%s: %q, want %q; %+v, %v", what, got, c.want, r, err)
		}
		if _, err := Open(t.Context(), []string{dir}, Wanted{}, nil); err == nil {
			t.Errorf("%s: it was opened", what)
		}
	}
}

// spoilStart makes a file no JSON.
func spoilStart(dir, name string) error {
	body, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	body[0] = '?'
	return os.WriteFile(filepath.Join(dir, name), body, 0o644)
}

// TestLargeSmallFile: a file that is named as it is, and is larger than any of its kind, is not kept in memory.
func TestLargeSmallFile(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	dir, err := media.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	s := &driveDir{dir: dir}
	for name, most := range map[string]int64{"key-2.age": keys.MaxFile, "bundle.json.sig": sign.MaxFile} {
		for _, size := range []int64{most, most + 1} {
			body := make([]byte, size)
			if err := os.WriteFile(filepath.Join(path, name), body, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.originalOrSecond(seal.FileOf(name, body)); (err == nil) != (size == most) {
				t.Errorf("%s of %d bytes: %v", name, size, err)
			}
		}
	}
}
