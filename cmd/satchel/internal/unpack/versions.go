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

// checkSet reads the version of what is kept of a bundle, and no more of it.
func checkSet(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return nil // there is none, or that is reported where it is needed
	}
	defer func() { _ = f.Close() }() // it was read only
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil
	}
	dec := json.NewDecoder(io.LimitReader(z, 1<<10))
	for _, want := range []json.Token{json.Delim('{'), "version"} {
		if got, err := dec.Token(); err != nil || got != want {
			return nil
		}
	}
	version, err := dec.Token()
	if n, ok := version.(float64); err == nil && ok && n > 1 {
		return &oci.VersionError{File: file, Has: fmt.Sprintf("set/%v", n), Reads: setVersion}
	}
	return nil
}

// isNew reports whether a file is not there yet.
func isNew(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist)
}
