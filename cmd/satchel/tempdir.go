package main

import (
	"fmt"
	"os"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
)

// needTemp is the room in TMPDIR, in bytes, without which catalogs and graph data are not
// begun with: the documents of a large public catalog take some tens of MiB, compressed.
const needTemp = 64 << 20

// tempError says that there is too little room for temporary files.
type tempError struct {
	dir  string
	free int64
}

func (e *tempError) Error() string {
	return fmt.Sprintf("the directory for temporary files, %s (TMPDIR), has %s free, and at least %s are needed to read catalogs and graph data",
		e.dir, bundle.FormatSize(e.free), bundle.FormatSize(needTemp))
}

// Hint says what to do now.
func (e *tempError) Hint() string {
	return "make room there, or set TMPDIR to a directory that has it"
}

// checkTemp refuses a configuration whose temporary files have no room. What the file
// system does not say is no reason.
func checkTemp(cfg *manifests.Config) error {
	if len(cfg.Mirror.Operators) == 0 && !cfg.Mirror.Platform.Graph {
		return nil
	}
	dir := os.TempDir()
	if room, err := bundle.SpaceOf(dir); err == nil && !room.Unknown && room.Free < needTemp {
		return &tempError{dir, room.Free}
	}
	return nil // what cannot be written to is warned of
}

// warnOfTemp says before the long work that temporary files cannot be written.
func (a *app) warnOfTemp() {
	dir := os.TempDir()
	f, err := os.CreateTemp(dir, "satchel-try-*")
	if err == nil {
		_ = f.Close() // nothing was written
		err = os.Remove(f.Name())
	}
	if err != nil {
		a.warn("temporary files cannot be written to %s (TMPDIR): %v; catalogs and graph data are unpacked there: set TMPDIR to a directory that can be written to", dir, err)
	}
}
