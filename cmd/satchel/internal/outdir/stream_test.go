package outdir

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAddLarge: a file is there with its bytes, or not at all; one that is right is not written again.
func TestAddLarge(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	o, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Write(nil); err != nil {
		t.Fatal(err)
	}
	const body = "a program"
	writes := 0
	file := Large{Name: "tools/oc", Mode: 0o755, SHA256: hexSum([]byte(body)), Write: func(w io.Writer) error {
		writes++
		_, err := io.WriteString(w, body)
		return err
	}}
	at := filepath.Join(dir, "tools", "oc")
	for i, want := range []bool{true, false} {
		if wrote, err := o.AddLarge(file); err != nil || wrote != want {
			t.Errorf("turn %d: %v, %v", i, wrote, err)
		}
	}
	if err := os.WriteFile(at, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := o.AddLarge(file); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(at)
	if got, rerr := os.ReadFile(at); err != nil || rerr != nil || string(got) != body || info.Mode().Perm() != 0o755 || writes != 2 {
		t.Errorf("%q, %v, %d writes, %v %v", got, info, writes, err, rerr)
	}
	file.Name, file.Write = "tools/other", func(w io.Writer) error { _, err := io.WriteString(w, "another one"); return err }
	if _, err := o.AddLarge(file); err == nil || !strings.Contains(err.Error(), "its SHA-256 is") {
		t.Errorf("other bytes: %v", err)
	}
	broken := errors.New("the drive is gone")
	file.Write = func(io.Writer) error { return broken }
	var disk *WriteError
	if _, err := o.AddLarge(file); !errors.Is(err, broken) || errors.As(err, &disk) {
		t.Errorf("a broken source: %v", err)
	}
	if list, err := os.ReadDir(filepath.Join(dir, "tools")); err != nil || len(list) != 1 {
		t.Errorf("what is there: %v, %v", list, err)
	}
	file.Name = "../oc"
	if _, err := o.AddLarge(file); err == nil {
		t.Error("a name that leads out is taken")
	}
	next, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Write(nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(at); err != nil {
		t.Errorf("the next set took it away: %v", err)
	}
}
