package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/manifests"
)

// addExtraFlags defines what pack and plan take beside the configuration.
func addExtraFlags(f *pflag.FlagSet, e *manifests.Extra) {
	f.StringArrayVar(&e.PodFiles, "from-pods", nil, "also carry what the pods of a running cluster use: `FILE` is what oc get pods -A -o json wrote, or a must-gather directory (may be given more than once)")
}

// readExtra reads the files that the flags name.
func readExtra(e *manifests.Extra) error {
	if len(e.PodFiles) == 0 {
		return nil
	}
	set := manifests.NewPods()
	for _, name := range e.PodFiles {
		if err := readPods(set, name); err != nil {
			return usage(fmt.Errorf("read pods from %s: %w", name, err), "--from-pods takes what oc get pods -A -o json (or -o yaml) writes, or an extracted must-gather")
		}
	}
	e.Pods, e.PodNotes = set.Images()
	return nil
}

// readPods reads a file, or a directory.
func readPods(set *manifests.Pods, name string) (err error) {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(set.Read(f), f.Close())
	}
	dir, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(set.ReadDir(root.FS(), filepath.Base(dir)), root.Close())
}

// words are the flags as they were given, for a command that is to be run later.
func words(e manifests.Extra) (s string) {
	for _, name := range e.PodFiles {
		s += " --from-pods " + name
	}
	return s
}
