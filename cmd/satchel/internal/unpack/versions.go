package unpack

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// What this host has noted of mirrors is of version 1. A file of lines says so in one of
// them; those of earlier versions have none.
const (
	doubtsVersion = "doubts/1"
	readVersion   = "read/1"
	setVersion    = "set/1"
)

// checkVersions refuses what a newer satchel has noted of this mirror, before anything of it
// is read, or replaced.
func (u *unpacking) checkVersions() error {
	if u.State == "" {
		return nil
	}
	for file, version := range map[string]string{u.doubtsFile(): doubtsVersion, u.place("read"): readVersion} {
		body, err := os.ReadFile(file)
		if err == nil {
			err = checkLines(file, version, string(body))
		}
		if newer := (*oci.VersionError)(nil); errors.As(err, &newer) {
			return err
		} // what cannot be read is reported where it is needed
	}
	return checkSet(u.place("set"))
}

// checkLines looks for a line with a version above the one that is read.
func checkLines(file, reads, body string) error {
	kind, _, _ := strings.Cut(reads, "/")
	for line := range strings.Lines(body) {
		text, whole := strings.CutSuffix(line, "\n")
		number, ok := strings.CutPrefix(text, kind+"/")
		if n, err := strconv.Atoi(number); whole && ok && err == nil && n > 1 {
			return &oci.VersionError{File: file, Has: text, Reads: reads}
		}
	}
	return nil
}

// checkSet refuses what a newer satchel keeps of a bundle.
func checkSet(file string) error {
	if n := setOf(file); n > 1 {
		return &oci.VersionError{File: file, Has: fmt.Sprintf("set/%v", n), Reads: setVersion}
	}
	return nil
}

// setOf reads the version of what is kept of a bundle, and no more of it; 0 if there is none,
// or if it cannot be read, which is reported where it is needed.
func setOf(file string) float64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }() // it was read only
	z, err := gzip.NewReader(f)
	if err != nil {
		return 0
	}
	dec := json.NewDecoder(io.LimitReader(z, 1<<10))
	for _, want := range []json.Token{json.Delim('{'), "version"} {
		if got, err := dec.Token(); err != nil || got != want {
			return 0
		}
	}
	version, _ := dec.Token() // nil after an error
	n, _ := version.(float64)
	return n
}

// isNew reports whether a file is not there yet.
func isNew(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist)
}
