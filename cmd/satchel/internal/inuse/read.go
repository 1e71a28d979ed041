package inuse

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusters"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Files are those that say what clusters use, of all clusters that the mirror serves. A file
// of one kind may have objects of the others too.
type Files struct {
	Pods, ClusterVersions, Subscriptions []string
	// Versions are of releases that clusters run, where nothing else says it; one for each cluster.
	Versions []manifests.Version
	// Whole are the paths of whole clusters: a query's file, a must-gather.
	Whole []string
}

// None reports whether there is no file.
func (f Files) None() bool {
	return len(f.Pods)+len(f.ClusterVersions)+len(f.Subscriptions)+len(f.Whole)+len(f.Versions) == 0
}

// Clusters is what files say.
type Clusters struct {
	use   manifests.ClusterUse
	files Files
	whole []*manifests.Cluster
	notes []string
}

// FileError says that a file of objects cannot be used.
type FileError struct {
	File string
	Err  error
}

func (e *FileError) Error() string { return "read " + e.File + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Permanent reports that the same file is wrong every time.
func (e *FileError) Permanent() bool { return true }

// Hint says what to do now.
func (e *FileError) Hint() string {
	var wrong *manifests.ClusterFileError
	if errors.As(e.Err, &wrong) {
		return wrong.Hint()
	}
	return ""
}

// errDirectory is for a must-gather, which lacks the pods of all other namespaces.
var errDirectory = errors.New("it is a directory, and must be a file: a must-gather has the pods of the platform alone")

// Read reads files. The error joins a *[FileError] for each that cannot be used.
func Read(f Files) (*Clusters, error) {
	c := &Clusters{files: f}
	for _, kind := range []*[]string{&c.files.Pods, &c.files.ClusterVersions, &c.files.Subscriptions} {
		*kind = different(*kind)
	}
	var errs []error
	for _, v := range f.Versions {
		c.use.Releases = append(c.use.Releases, manifests.ClusterRelease{Version: v.String(), Why: "present", From: "--cluster-version"})
	}
	if err := c.readWhole(f.Whole); err != nil {
		errs = append(errs, err)
	}
	for _, kind := range []struct {
		files []string
		read  func(name string, r io.Reader) error
	}{{c.files.Pods, c.use.ReadPods}, {c.files.ClusterVersions, c.use.ReadClusterVersion}, {c.files.Subscriptions, c.use.ReadSubscriptions}} {
		for _, name := range kind.files {
			if err := readFile(name, kind.read); err != nil {
				errs = append(errs, &FileError{name, err})
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(f.Pods) > 0 && len(c.use.Namespaces) == 1 {
		for only := range c.use.Namespaces {
			c.notes = append(c.notes, fmt.Sprintf("all pods in the files are of the namespace %q: if there are others, they must be in the files too (oc get pods -A)", text.ASCII(only)))
		}
	}
	return c, nil
}

func readFile(name string, read func(string, io.Reader) error) error {
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		err = errDirectory
	}
	if err != nil {
		return bare(err)
	}
	f, err := os.Open(name)
	if err != nil {
		return bare(err)
	}
	return errors.Join(read(name, f), f.Close())
}

// bare leaves out of an error the name of the file, which is said anyway.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// different leaves out files that are named before, under whatever name: they say nothing of
// another cluster.
func different(names []string) (list []string) {
	var have []os.FileInfo
	for _, name := range names {
		info, err := os.Stat(name)
		if err == nil && slices.ContainsFunc(have, func(one os.FileInfo) bool { return os.SameFile(one, info) }) {
			continue
		}
		if err == nil { // else who reads it says so
			have = append(have, info)
		}
		list = append(list, name)
	}
	return list
}

// knows reports which kinds of files there are for every cluster.
func (c *Clusters) knows() (pods, versions, subscriptions bool) {
	n := max(len(c.use.Clusters), len(c.whole), len(c.files.Versions), 1)
	withPods, withVersion, withSubscriptions := len(c.files.Pods), len(c.files.ClusterVersions)+len(c.files.Versions), len(c.files.Subscriptions)
	for _, one := range c.whole {
		if one.Applications() {
			withPods++
		}
		if len(one.Of("ClusterVersion")) > 0 {
			withVersion++
		}
		if one.Known("Subscription") {
			withSubscriptions++
		}
	}
	return withPods >= n, withVersion > 0 && withVersion >= len(c.whole), withSubscriptions >= n
}

// readWhole reads whole clusters.
func (c *Clusters) readWhole(paths []string) (err error) {
	if c.whole, err = clusters.Read(paths); err != nil {
		return err
	}
	for _, one := range c.whole {
		c.use.Add(one.Use)
		for _, note := range one.Notes() {
			c.notes = append(c.notes, "cluster "+one.Name+": "+note)
		}
	}
	if err := manifests.ApplicationsKnown(c.whole); err != nil {
		c.notes = append(c.notes, err.Error())
	}
	return nil
}
