package unpack_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestNotesOfANewerSatchel refuses, by name, what a newer satchel has noted of a mirror, before the
// mirror is asked for anything; notes of an earlier version are read.
func TestNotesOfANewerSatchel(t *testing.T) {
	t.Parallel()
	s := newSite(t, 61)
	o := s.options(t, "")
	o.State = t.TempDir()
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	sets, err := filepath.Glob(filepath.Join(o.State, "mirrors", "*", "set-"+s.reader.ID()))
	if err != nil || len(sets) != 1 {
		t.Fatalf("%v, %v", sets, err)
	}
	set := zipped(t, strings.Replace(unzipped(t, sets[0]), `{"version":1,`, `{"version":4,"drives":[{}],`, 1))
	mirror := filepath.Dir(sets[0])
	registry := filepath.Join(o.State, "mirrors", oci.Digest([]byte(s.mirror.Host)).Encoded()[:16])
	blob := oci.Digest([]byte("a blob")).String()
	full := o
	full.Verify = transport.VerifyFull
	for name, c := range map[string]struct {
		file, body, has string // has: "" where it is read
		o               unpack.Options
	}{
		"of doubts":            {filepath.Join(registry, "doubts"), "doubts/2\nwrong " + blob + " a/b c\n", "doubts/2", o},
		"of doubts, later on":  {filepath.Join(registry, "doubts"), "wrong " + blob + " a/b\ndoubts/3\n", "doubts/3", o},
		"of a set":             {sets[0], set, "set/4", o},
		"of what was read":     {filepath.Join(mirror, "read-"+s.reader.ID()), "read/2\nmore\n", "read/2", full},
		"doubts of no version": {filepath.Join(registry, "doubts"), "wrong " + blob + " a/b\n", "", o},
		"read of no version":   {filepath.Join(mirror, "read-"+s.reader.ID()), "2026-01-01T00:00:00Z\n" + blob + "\n", "", full},
	} {
		before, err := os.ReadFile(c.file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(c.file), 0o700), os.WriteFile(c.file, []byte(c.body), 0o600)); err != nil {
			t.Fatal(err)
		}
		s.mirror.Reset()
		err = unpack.Run(t.Context(), s.reader, jobtest.Client(), c.o)
		var newer *oci.VersionError
		switch {
		case c.has == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.has != "" && (!errors.As(err, &newer) || newer.File != c.file || newer.Has != c.has || len(s.mirror.Counts()) > 0):
			t.Errorf("%s: %v, %v", name, err, s.mirror.Counts())
		}
		if now, err := os.ReadFile(c.file); c.has != "" && (err != nil || string(now) != c.body) {
			t.Errorf("%s: it was changed, %v", name, err)
		}
		if c.has == "set/4" {
			if err := unpack.WithoutDrive(t.Context(), "", jobtest.Client(), o); !errors.As(err, &newer) {
				t.Errorf("%s, without the drive: %v", name, err)
			}
		}
		if err := os.Remove(c.file); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if before != nil {
			if err := os.WriteFile(c.file, before, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func unzipped(t *testing.T, file string) string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := io.WriteString(z, text)
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
