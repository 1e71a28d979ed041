package ledger

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// TestVersions migrates a ledger of an older version when it is written next, and refuses
// one of a newer satchel by name.
func TestVersions(t *testing.T) {
	t.Parallel()
	s := At(t.TempDir(), "weekly")
	s.made(t, 1)
	path := filepath.Join(s.dir(), ledgerName)
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The same file, had two versions come since: "next" was called "following", then "after".
	rename := func(from, to string) func(map[string]json.RawMessage) error {
		return func(all map[string]json.RawMessage) error {
			if all[from] == nil {
				return errors.New("it has no " + from)
			}
			all[to] = all[from]
			delete(all, from)
			return nil
		}
	}
	later := form{"ledger", []func(map[string]json.RawMessage) error{rename("next", "following"), rename("following", "after")}}
	for have, text := range map[string]string{
		"ledger/1": string(body),
		"ledger/2": strings.NewReplacer("ledger/1", "ledger/2", `"next"`, `"following"`).Replace(string(body)),
		"ledger/3": strings.NewReplacer("ledger/1", "ledger/3", `"next"`, `"after"`).Replace(string(body)),
	} {
		var got struct {
			After   int
			Bundles []Bundle
		}
		if err := later.decode(path, []byte(text), &got); err != nil || got.After != 2 || len(got.Bundles) != 1 {
			t.Errorf("%s: %+v, %v", have, got, err)
		}
	}
	if err := later.decode(path, []byte(strings.Replace(string(body), `"next"`, `"nxt"`, 1)), new(file)); err == nil || !strings.Contains(err.Error(), "ledger/2") {
		t.Errorf("a step that fails: %v", err)
	}
	newer := strings.Replace(string(body), "ledger/1", "ledger/3", 1)
	if err := os.WriteFile(path, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	_, prepared := s.Prepare()
	_, _, reserved := s.Reserve(Reservation{Bundle: id(2), Content: content(t)})
	_, confirmed := Confirm(s.state, string(finger(1)), Arrival{How: BySlip})
	for what, err := range map[string]error{"Prepare": prepared, "Reserve": reserved, "Confirm": confirmed} {
		var version *oci.VersionError
		if !errors.As(err, &version) || version.File != path || version.Has != "ledger/3" || version.Reads != "ledger/1" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != newer {
		t.Errorf("it was changed to %s, %v", now, err)
	}
}

// TestDamage names a ledger that cannot be counted on with, and leaves it as it is.
func TestDamage(t *testing.T) {
	t.Parallel()
	s := At(t.TempDir(), "weekly")
	s.made(t, 1)
	s.made(t, 2)
	path := filepath.Join(s.dir(), ledgerName)
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"nothing":             {string(body), ""},
		"a torn one":          {string(body)[len(body)/2:], ""},
		"no version":          {`"version"`, `"v"`},
		"another file":        {"ledger/1", "receipt/1"},
		"a version of dots":   {"ledger/1", "ledger/01"},
		"another name":        {`"weekly"`, `"daily"`},
		"a short ID":          {`"ledger": "`, `"ledger": "0`},
		"a number twice":      {`"sequence": 2`, `"sequence": 1`},
		"a bundle twice":      {id(2), id(1)},
		"a next that is gone": {`"next": 3`, `"next": 2`},
		"no fingerprint":      {string(finger(2)), ""},
	} {
		text := strings.Replace(string(body), c[0], c[1], 1)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.Prepare()
		var damage *DamageError
		if text == string(body) || !errors.As(err, &damage) || damage.Dir != s.dir() {
			t.Errorf("%s: %v", name, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != text {
			t.Errorf("%s: it was changed, %v", name, err)
		}
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	b := s.mustRead(t).Bundles[0]
	kept, err := os.ReadFile(filepath.Join(s.dir(), b.Content))
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(filepath.Join(s.dir(), s.mustRead(t).Bundles[1].Content))
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{"no gzip": []byte("x"), "a torn one": kept[:len(kept)-9], "another bundle's": other} {
		if err := os.WriteFile(filepath.Join(s.dir(), b.Content), body, 0o600); err != nil {
			t.Fatal(err)
		}
		var damage *DamageError
		if _, err := s.Content(b); !errors.As(err, &damage) || damage.File != b.Content {
			t.Errorf("content, %s: %v", name, err)
		}
	}
}

// TestCrash has a run end between any two writes: files that nobody refers to are gone after
// the next one, and the number is given to the same bundle alone.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := At(t.TempDir(), "weekly")
	s.made(t, 1)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(s.dir(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(contentFile(id(2)), "of a run that ended before the ledger was written")
	write(catalogFile(strings.Repeat("0", 64)), "the same")
	write(".satchel-tmp-123", "half a file")
	write("notes.txt", "somebody's own")
	if n := s.made(t, 3); n != 2 {
		t.Errorf("the next number is %d", n)
	}
	entries, err := os.ReadDir(s.dir())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), strings.Join([]string{contentFile(id(1)), contentFile(id(3)), ledgerName, "notes.txt"}, " "); got != want {
		t.Errorf("the directory has %s, want %s", got, want)
	}
}

// TestCatalogLost goes on without a catalog that cannot be read, and says so.
func TestCatalogLost(t *testing.T) {
	t.Parallel()
	s := At(t.TempDir(), "weekly")
	lost := errors.New("it is no longer on this host")
	var told []string
	_, _, err := s.Reserve(Reservation{Bundle: id(1), Content: content(t), Lost: func(c Catalog, err error) { told = append(told, c.Name+": "+err.Error()) },
		Catalogs: []Keep{
			{Catalog{Name: "a"}, func(io.Writer) error { return lost }},
			{Catalog{Name: "b"}, func(w io.Writer) error { _, err := io.WriteString(w, "{}"); return err }},
		}})
	if err != nil || len(told) != 1 || told[0] != "a: "+lost.Error() {
		t.Errorf("told %q, %v", told, err)
	}
	if b := s.mustRead(t).Bundles[0]; len(b.Catalogs) != 1 || b.Catalogs[0].Name != "b" {
		t.Errorf("%+v", b.Catalogs)
	}
	if _, _, err := s.Reserve(Reservation{Bundle: id(2), Content: content(t), Catalogs: []Keep{{Catalog{Name: "a"}, func(io.Writer) error { return lost }}}}); !errors.Is(err, lost) {
		t.Errorf("with nobody to tell: %v", err)
	}
}

// TestRefused names the ledger's place where its disk refuses: full, read-only, or something
// else stands there.
func TestRefused(t *testing.T) {
	state := t.TempDir()
	var refused *bundle.StateError
	if err := os.WriteFile(filepath.Join(state, "ledgers"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := At(state, "weekly").Prepare(); !errors.As(err, &refused) || !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file in its place: %v", err)
	}
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, 0); err != nil {
			t.Error(err)
		}
	})
	s := At(mount, "weekly")
	s.made(t, 1)
	if err := os.WriteFile(filepath.Join(mount, "filler"), make([]byte, 256<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_, prepared := s.Prepare()
	_, _, reserved := s.Reserve(Reservation{Bundle: id(2), Content: content(t)})
	for what, err := range map[string]error{"Prepare": prepared, "Reserve": reserved} {
		if !errors.As(err, &refused) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(refused.Hint(), "make room on the disk of "+s.dir()) {
			t.Errorf("%s on a full disk: %v", what, err)
		}
	}
	if err := os.Remove(filepath.Join(mount, "filler")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", mount, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(); !errors.As(err, &refused) || !errors.Is(err, syscall.EROFS) {
		t.Errorf("read-only: %v", err)
	}
	if l, err := Read(mount, "weekly"); err != nil || len(l.Bundles) != 1 {
		t.Errorf("read-only, and it is only read: %+v, %v", l, err)
	}
}
