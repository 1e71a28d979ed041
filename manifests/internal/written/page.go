package written

import (
	"bytes"
	"errors"
	"io/fs"
	"regexp"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/oci/text"
)

var (
	// pageCluster is how APPLY.md names the cluster that it is for.
	pageCluster = regexp.MustCompile("\\(its ID: `([0-9A-Za-z-]+)`\\)")
	// pageApplies finds the files that its commands apply. What commands write themselves is in directories.
	pageApplies = regexp.MustCompile(`(?: -f| --patch-file)[ =]([a-z0-9][a-z0-9.-]*\.yaml)\b`)
	// pageDeletes finds the objects with rules that its commands delete: those that satchel made. What others made
	// is offered one by one.
	pageDeletes = regexp.MustCompile(`(?m)^\s*oc delete (imagecontentsourcepolicy|imagedigestmirrorset|imagetagmirrorset)(?: --ignore-not-found)?((?: [a-z0-9][a-z0-9.-]*)+)\s*$`)
	// wholeHas finds the files that the kustomization of all of them names.
	wholeHas = regexp.MustCompile(`(?m)^\s*- ([a-z0-9][a-z0-9.-]*\.yaml)\s*$`)
)

// fileWhole names every file that is applied, for those who apply them by GitOps.
const fileWhole = "kustomization.yaml"

// savedBefore is a file that commands of APPLY.md write.
const savedBefore = "satchel-before.yaml"

// page reads of APPLY.md whom the files are for, and which there must be.
func (f *Files) page(fsys fs.FS) error {
	data, err := readFile(fsys, handover.FileApply)
	if errors.Is(err, fs.ErrNotExist) {
		f.Lacking = append(f.Lacking, handover.FileApply)
		err = nil
	}
	if err != nil {
		return err
	}
	if m := pageCluster.FindSubmatch(data); m != nil {
		f.Cluster = string(m[1])
	}
	for _, m := range pageDeletes.FindAllSubmatch(data, -1) {
		for _, name := range bytes.Fields(m[2]) {
			f.Deletes = append(f.Deletes, string(m[1])+"/"+string(name))
		}
	}
	lacking := f.Lacking
	whole, err := readFile(fsys, fileWhole)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, m := range slices.Concat(pageApplies.FindAllSubmatch(data, -1), wholeHas.FindAllSubmatch(whole, -1)) {
		name := string(m[1])
		if _, err := fs.Stat(fsys, name); errors.Is(err, fs.ErrNotExist) && name != savedBefore {
			lacking = append(lacking, name)
		}
	}
	f.Lacking = slices.Compact(text.Sorted(lacking))
	return nil
}

// For is an *[Error] where the files are for another cluster than the one of an ID.
func (f *Files) For(id string) error {
	if f.Cluster == "" || id == "" || f.Cluster == id {
		return nil
	}
	return &Error{"the files are for the cluster with the ID " + f.Cluster + ", and --from-cluster is one with the ID " + text.ASCII(id), "name the files and the state of one cluster"}
}
