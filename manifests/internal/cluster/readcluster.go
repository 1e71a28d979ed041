package cluster

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Read reads what one cluster is from a file that the line of [Query] wrote, or from any file of
// objects as oc prints them. name is what the cluster is called. Errors are *[Error]s and those of
// r; they say nothing of the content. At most some 24 MiB are kept.
func Read(name string, r io.Reader) (*State, error) {
	g := gather(name)
	if err := g.read(name, place{}, r); err != nil {
		return nil, err
	}
	return g.end()
}

// place is where a file stands in a must-gather (openshift/oc, pkg/cli/admin/inspect,
// dirPathForInfo): cluster-scoped-resources/GROUP/ or namespaces/NAMESPACE/GROUP/, then
// RESOURCE.yaml for a list or RESOURCE/NAME.yaml for one object. Pods alone are also at
// namespaces/NAMESPACE/pods/NAME/NAME.yaml.
type place struct {
	kind      *known
	namespace string
	list      bool
}

// How much of a directory is looked at.
const (
	maxDepth   = 3       // directories above a must-gather
	maxEntries = 1 << 18 // files and directories, of those that are looked into
	maxFiles   = 1 << 17 // that are read
)

const (
	dirScoped     = "cluster-scoped-resources"
	dirNamespaces = "namespaces"
)

// ReadDir reads what one cluster is from a directory: a must-gather, what oc adm inspect wrote,
// files that the line of [Query] wrote, or several of these, also some levels below. What satchel
// wrote for the cluster may stand beside them. Links are not followed. A file of a must-gather that
// cannot be read is noted, and its kind counts as not known; another one is an error. What the line
// wrote is one reading, and all else is another one: they are joined as [State.Join] says.
func ReadDir(name string, fsys fs.FS) (*State, error) {
	w := &walking{gathering: gather(name), fsys: fsys}
	if err := w.look(".", 0); err != nil {
		return nil, err
	}
	if w.links > 0 {
		w.note("%s in the directory not followed", text.Count(w.links, "link is", "links are"))
	}
	if w.packed != "" && (w.gathering.objects > 0 || w.asked != nil) {
		w.note("%s is compressed and was not read: unpack it to have it read", text.Printable(w.packed))
	}
	return w.end()
}

// walking is the reading of a directory.
type walking struct {
	*gathering
	fsys                  fs.FS
	entries, files, links int
	must                  bool       // what is read now is a must-gather, and not only what was inspected of a cluster
	asked                 *gathering // what the line of the query wrote, nil for none
	askedFile             string     // and where
	packed                string     // a compressed file that may have objects; "" for none
}

// end makes the state of both readings.
func (w *walking) end() (*State, error) {
	if w.asked == nil {
		if w.gathering.objects == 0 {
			return nil, w.nothing()
		}
		return w.gathering.end()
	}
	w.part, w.asked.part = true, true
	s, err := w.asked.end()
	if err != nil {
		return nil, err
	}
	if w.gathering.objects == 0 {
		s.notes = append(s.notes, w.state.notes...)
		return s, nil
	}
	others, err := w.gathering.end()
	if err != nil {
		return nil, err
	}
	if a, b := s.ID(), others.ID(); a != "" && b != "" && a != b {
		return nil, anotherCluster(a, b)
	}
	name := s.Name
	s.Name, others.Name = text.Printable(w.askedFile), "what else is in the directory"
	s.Join(others)
	s.Name = name
	if !s.Seen("ClusterVersion") {
		s.notes = append(s.notes, fmt.Sprintf(noVersion, name))
	}
	return s, nil
}

// nothing says that a directory has nothing that can be read.
func (w *walking) nothing() error {
	switch {
	case w.packed != "":
		return &Error{"there is no object of a cluster in it, and " + text.Printable(w.packed) + " is compressed", hintUnpack}
	case w.entries == 0:
		return &Error{"the directory is empty", hintDir}
	}
	return &Error{"there is no object of a cluster in it", hintDir}
}

const hintDir = "name a must-gather as it was unpacked, what oc adm inspect wrote, or the file that the line of satchel cluster-query wrote"

// entriesOf lists a directory without links and whatever else is neither file nor directory.
func (w *walking) entriesOf(dir string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		return nil, err
	}
	if w.entries += len(list); w.entries > maxEntries {
		return nil, w.wrong("the directory has more than %d files", maxEntries)
	}
	return slices.DeleteFunc(list, func(e fs.DirEntry) bool {
		if e.Type()&fs.ModeSymlink != 0 {
			w.links++
		}
		if e.Type().IsRegular() && isPacked(e.Name()) && w.packed == "" {
			w.packed = path.Join(dir, e.Name())
		}
		return !e.IsDir() && !e.Type().IsRegular()
	}), nil
}

// look reads a directory that may have must-gathers below it.
func (w *walking) look(dir string, depth int) error {
	list, err := w.entriesOf(dir)
	if err != nil {
		return err
	}
	gathered := slices.ContainsFunc(list, func(e fs.DirEntry) bool {
		return e.IsDir() && (e.Name() == dirScoped || e.Name() == dirNamespaces)
	})
	w.must = gathered && w.isMustGather(path.Join(dir, "version"))
	for _, e := range list {
		at := path.Join(dir, e.Name())
		switch {
		case gathered && e.IsDir() && e.Name() == dirScoped:
			err = w.groups(at, "")
		case gathered && e.IsDir() && e.Name() == dirNamespaces:
			err = w.namespaces(at)
		case !e.IsDir() && isObjects(e.Name()) && depth == 0:
			err = w.readLoose(at)
		case e.IsDir() && !gathered && depth < maxDepth:
			err = w.look(at, depth+1)
		}
		if err != nil {
			return err
		}
	}
	if w.must {
		w.inspectedOLM(path.Join(dir, dirScoped, "operators.coreos.com"))
	}
	return nil
}

// inspectedOLM takes the kinds of OLM as known where a must-gather has inspected them in all
// namespaces: only that brings the objects of OLM that are of the whole cluster, and each cluster has one.
func (w *walking) inspectedOLM(scoped string) {
	if info, err := fs.Stat(w.fsys, scoped); err != nil || !info.IsDir() {
		return
	}
	for _, k := range kinds {
		if k.olm {
			w.state.whole[k.kind] = true
		}
	}
}

// isPacked reports whether a file is compressed, by its name, and may have objects: logs do not count.
func isPacked(name string) bool {
	for _, end := range []string{".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".zip", ".yaml.gz", ".yml.gz", ".json.gz"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// readLoose reads a file that no path says anything of. What the query wrote is a reading of its own.
func (w *walking) readLoose(name string) error {
	is, err := w.isQuery(name)
	if err != nil {
		return err
	}
	if !is {
		w.loose = true
		err = w.readFile(name, place{})
		w.loose = false
		return err
	}
	if w.asked != nil {
		return &Error{fmt.Sprintf("%s and %s are two readings of one cluster, written by the query at two times", text.Printable(w.askedFile), text.Printable(name)), "leave only the newer of the two in the directory, or name each file alone: then the newer counts"}
	}
	others := w.gathering
	w.gathering, w.askedFile = gather(others.state.Name), name
	w.left = others.left
	err = w.readFile(name, place{})
	w.asked, w.gathering = w.gathering, others
	w.left = w.asked.left
	return err
}

// isQuery reports whether a file begins as the line of the query has it.
func (w *walking) isQuery(name string) (bool, error) {
	f, err := w.fsys.Open(name)
	if err != nil {
		return false, err
	}
	head := make([]byte, 64)
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return strings.Contains(string(head[:n]), "kind: "+kindQuery), errors.Join(err, f.Close())
}

// isMustGather reports whether a file is the one in which the default must-gather says what it is.
func (w *walking) isMustGather(name string) bool {
	f, err := w.fsys.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	const first = "openshift/must-gather"
	head := make([]byte, len(first))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == first
}

func isObjects(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name))
}

func (w *walking) namespaces(dir string) error {
	list, err := w.entriesOf(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if !e.IsDir() {
			continue
		}
		if err := w.groups(path.Join(dir, e.Name()), e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// groups reads the objects of one namespace, or those of the whole cluster.
func (w *walking) groups(dir, namespace string) error {
	list, err := w.entriesOf(dir)
	if err != nil {
		return err
	}
	pods := false // core/pods.yaml was read: core stands before pods
	for _, e := range list {
		at := path.Join(dir, e.Name())
		switch group := e.Name(); {
		case !e.IsDir():
		case group == "pods" && namespace != "" && !pods:
			err = w.pods(at, namespace)
		case find(func(k *known) bool { return k.group == group || k.group == "" && group == "core" }) != nil:
			var listed bool
			listed, err = w.resources(at, strings.TrimSuffix(group, "core"), namespace)
			pods = pods || listed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// resources reads the objects of one group. pods reports whether there is a list of pods.
func (w *walking) resources(dir, group, namespace string) (pods bool, err error) {
	list, err := w.entriesOf(dir)
	if err != nil {
		return false, err
	}
	for _, e := range list {
		at, resource := path.Join(dir, e.Name()), strings.TrimSuffix(e.Name(), path.Ext(e.Name()))
		k := ofResource(group, resource)
		switch {
		case k == nil || k.spaced != (namespace != ""):
		case e.IsDir():
			err = w.objects(at, place{k, namespace, false})
		case isObjects(e.Name()):
			pods = pods || k.kind == "Pod"
			err = w.readPart(at, place{k, namespace, true})
		}
		if err != nil {
			return false, err
		}
	}
	return pods, nil
}

// objects reads the files of single objects.
func (w *walking) objects(dir string, in place) error {
	list, err := w.entriesOf(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.IsDir() || !isObjects(e.Name()) {
			continue
		}
		if err := w.readPart(path.Join(dir, e.Name()), in); err != nil {
			return err
		}
	}
	return nil
}

// pods reads the files of single pods, each in a directory of its own beside its logs.
func (w *walking) pods(dir, namespace string) error {
	list, err := w.entriesOf(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		file := path.Join(dir, e.Name(), e.Name()+".yaml")
		if info, err := fs.Stat(w.fsys, file); !e.IsDir() || err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := w.readPart(file, place{ofResource("", "pods"), namespace, false}); err != nil {
			return err
		}
	}
	return nil
}

// readPart reads a file of a must-gather, or notes why it cannot.
func (w *walking) readPart(name string, in place) error {
	err := w.readFile(name, in)
	var known *Error
	switch {
	case err == nil:
		switch {
		case in.namespace == "" && (in.list || w.must && in.kind.gathered):
			w.state.whole[in.kind.kind] = true
		case in.list:
			if w.listed[in.kind] == nil {
				w.listed[in.kind] = map[string]bool{}
			}
			w.listed[in.kind][in.namespace] = true
		}
		return nil
	case w.left < 0, w.files > maxFiles, !errors.As(err, &known), in.kind.kind == "ClusterVersion":
		return err
	}
	w.broken[in.kind.kind] = true
	w.note("%v: %s counts as not known", err, in.kind.kind)
	return nil
}

func (w *walking) readFile(name string, in place) (err error) {
	if w.files++; w.files > maxFiles {
		return w.wrong("the directory has more than %d files of objects", maxFiles)
	}
	f, err := w.fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := w.read(name, in, f); err != nil {
		return fmt.Errorf("%s: %w", text.Printable(name), err)
	}
	return nil
}
