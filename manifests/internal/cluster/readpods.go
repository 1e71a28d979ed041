package cluster

import (
	"io/fs"

	"github.com/satchel-airgap/satchel/manifests/internal/podlist"
)

// ReadPodDir reads the pods of a directory: a must-gather, or an extracted Insights archive. base is the
// directory's name. Other objects of a must-gather count too.
func ReadPodDir(name string, fsys fs.FS, base string) (*State, error) {
	w := &walking{gathering: gather(name), fsys: fsys}
	err := podlist.Files(fsys, base, func(file, namespace string) (int, error) {
		before := w.gathering.objects
		err := w.readFile(file, place{kind: ofResource("", "pods"), namespace: namespace})
		return w.gathering.objects - before, err
	})
	if err != nil {
		return nil, err
	}
	if w.gathering.objects == 0 {
		return nil, &Error{"there is no pod in it", hintDir}
	}
	w.part = true
	return w.gathering.end()
}
