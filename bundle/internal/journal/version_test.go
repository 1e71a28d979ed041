package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// TestNewer refuses by name what a newer satchel wrote, also where only the last records are
// newer, and changes nothing.
func TestNewer(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(lived(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"all of it":          strings.Replace(string(body), `"version":2`, `"version":7`, 1),
		"with other fields":  `{"begin":{"version":7,"drives":[1]},"more":1}` + "\n",
		"its last records":   string(body) + `{"version":7}` + "\n" + `{"parity":{}}` + "\n",
		"and a torn line":    string(body) + `{"version":7}` + "\n" + `{"par`,
		"version and record": string(body) + `{"version":7,"parity":{}}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, opened := Open(path)
			_, peeked := Peek(path)
			for _, err := range []error{opened, peeked} {
				var newer *oci.VersionError
				if !errors.As(err, &newer) || newer.File != path || newer.Has != "journal/7" || newer.Reads != "journal/4" {
					t.Errorf("%v", err)
				}
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != text {
				t.Errorf("it was changed, %v", err)
			}
		})
	}
}

// TestOlder continues a journal of version 1, and says so before the first record that
// version 1 does not know.
func TestOlder(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile(lived(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, []byte(strings.Replace(string(body), `"version":2`, `"version":1`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	want := Number{Ledger: strings.Repeat("a", 32), Name: "weekly", Sequence: 4}
	for round, add := range []Record{{Session: &Session{Dir: "/c"}}, {Number: &want}, {Number: &want}} {
		j, st, err := Open(path)
		if err != nil || st.Version != min(1+round/2, 2) {
			t.Fatalf("round %d: %+v, %v", round, st, err)
		}
		if err := errors.Join(j.Append(add), j.Close()); err != nil {
			t.Fatal(err)
		}
	}
	st := reopen(t, path)
	now, err := os.ReadFile(path)
	if err != nil || st.Number != want || st.Version != 2 || st.Session.Dir != "/c" || strings.Count(string(now), "{\"version\":2}\n") != 1 {
		t.Errorf("%+v, %v\n%s", st, err, now)
	}
}
