package main

import "os"

// warnOfTemp says before the long work that temporary files cannot be written.
func (a *app) warnOfTemp() {
	dir := os.TempDir()
	f, err := os.CreateTemp(dir, "satchel-try-*")
	if err == nil {
		_ = f.Close() // nothing was written
		err = os.Remove(f.Name())
	}
	if err != nil {
		a.warn("temporary files cannot be written to %s: %v; catalogs and graph data are unpacked there: set TMPDIR to a directory that can be written to", dir, err)
	}
}
