package written

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/strict"
	"github.com/satchel-airgap/satchel/oci"
)

// Files is what was written for one cluster.
type Files struct {
	Rules  []rules.Object // ICSP, IDMS and ITMS; of a hosted cluster, what its HostedCluster gets
	Nodes  *rules.Nodes   // registries.conf as it was written, for comparison
	Hosted bool           // the control plane of the cluster runs in another one
	Secret *site.PullSecret
	// Whole: Secret is all of the cluster's pull secret, and not only the mirror's entries.
	Whole bool
	// Entries are those by which nodes pull from the mirror; nil: none were written.
	Entries *site.PullSecret
	// Authorities are PEM, by registry HOST[:PORT]; "" stands for every registry.
	Authorities map[string]string
	Named       []Named // sorted by file
	SourcesOff  bool    // the default CatalogSources are to be switched off
	CatalogsOff bool    // the default ClusterCatalogs are to be turned off
	Cluster     string  // the ID of the cluster that they are for; "" where APPLY.md names none
	// Deletes are the objects with rules that commands of APPLY.md delete, as oc names them.
	Deletes []string
	// Lacking are the files that commands of APPLY.md apply, and that are not there, sorted.
	Lacking []string
}

// Named is an image that an object names.
type Named struct {
	Kind, Name string
	File       string
	Image      oci.Ref
	Labels     map[string]string // of the object
	Priority   int               // of a ClusterCatalog
}

// Catalog reports whether the image is one of operators.
func (n Named) Catalog() bool { return n.Kind == "CatalogSource" || n.Kind == "ClusterCatalog" }

// String names the object.
func (n Named) String() string { return n.Kind + " " + n.Name }

// Error says that a directory is not one that was written for a cluster.
type Error struct {
	Msg    string
	Advice string
}

func (e *Error) Error() string { return e.Msg }

// Hint says what to do now.
func (e *Error) Hint() string { return e.Advice }

// Permanent reports that the same directory is wrong every time.
func (e *Error) Permanent() bool { return true }

const maxFile = 8 << 20

// Read reads the files of a directory. The error joins [*imageset.ConfigError]s, or is an *[Error]
// where it has no such files.
func Read(fsys fs.FS) (*Files, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	f := &Files{Authorities: map[string]string{}}
	conf, err := readFile(fsys, handover.FileRegistries)
	if err != nil {
		return nil, noFiles(fsys, entries, err)
	}
	if f.Nodes, err = rules.ParseNodes(conf); err != nil {
		return nil, &imageset.ConfigError{File: handover.FileRegistries, Line: 1, Column: 1, Msg: err.Error()}
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".yaml") {
			continue
		}
		errs = append(errs, f.object(fsys, e.Name()))
	}
	errs = append(errs, f.secret(fsys), f.hosted(fsys), f.page(fsys))
	slices.SortStableFunc(f.Named, func(a, b Named) int { return strings.Compare(a.File, b.File) })
	return f, errors.Join(errs...)
}

// noFiles says why a directory has no files of a cluster.
func noFiles(fsys fs.FS, entries []fs.DirEntry, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return slices.ContainsFunc(rulePrefixes, func(p string) bool { return strings.HasPrefix(e.Name(), p) })
	}) {
		return &Error{handover.FileRegistries + " is missing among them", "write the files again: satchel render"}
	}
	var below []string
	for _, e := range entries {
		if _, err := fs.Stat(fsys, path.Join(e.Name(), handover.FileRegistries)); e.IsDir() && err == nil {
			below = append(below, e.Name())
		}
	}
	if len(below) > 0 {
		return &Error{"directories below it have files for clusters: " + strings.Join(below, ", "), "name one of them"}
	}
	return &Error{"it has no " + handover.FileRegistries + ": these are not the files that satchel unpack or render wrote for a cluster", "name the directory that was given to unpack or render as --output-dir"}
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &Error{name + " is not a regular file", ""}
	case info.Size() > maxFile:
		return nil, &imageset.ConfigError{File: name, Line: 1, Column: 1, Msg: fmt.Sprintf("the file has %d bytes; at most %d are read", info.Size(), maxFile)}
	}
	return fs.ReadFile(fsys, name)
}

// rulePrefixes begin the names of files with rules.
var rulePrefixes = []string{"icsp-", "idms-", "itms-"}

// object reads one file of the directory itself, if it matters.
func (f *Files) object(fsys fs.FS, name string) error {
	has := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	switch {
	case has(rulePrefixes...):
		return f.rules(fsys, name)
	case name == handover.FileCA, name == handover.FileCAPatch:
		return f.authorities(fsys, name)
	case name == handover.FileHubPatch:
		f.SourcesOff = true
	case name == operatorhub.FileCatalogsOff:
		f.CatalogsOff = true
	case has("catalogsource-", "clustercatalog-", "updateservice"):
		return f.images(fsys, name)
	}
	return nil
}

func (f *Files) rules(fsys fs.FS, name string) error {
	data, err := readFile(fsys, name)
	if err != nil {
		return err
	}
	present, err := site.ParsePresentRules(name, data)
	if err != nil {
		return err
	}
	for _, o := range present.Objects {
		if slices.ContainsFunc(f.Rules, func(have rules.Object) bool { return have.String() == o.String() }) {
			return &imageset.ConfigError{File: name, Line: 1, Column: 1, Msg: o.String() + " is in another file too: one of the two is left from another week"}
		}
		f.Rules = append(f.Rules, o)
	}
	return nil
}

// peek reads the fields that into has.
func peek(fsys fs.FS, name string, into any) error {
	data, err := readFile(fsys, name)
	if err != nil {
		return err
	}
	doc, err := strict.Parse(data)
	if err == nil {
		_, err = doc.Peek(into)
	}
	if err == nil {
		return nil
	}
	var list []error
	for _, e := range strict.Errors(err) {
		list = append(list, &imageset.ConfigError{File: name, Line: e.Line, Column: e.Column, Msg: "this is not as satchel wrote it: " + e.Msg})
	}
	if list == nil {
		return &imageset.ConfigError{File: name, Line: 1, Column: 1, Msg: "this is not one object in YAML"}
	}
	return errors.Join(list...)
}

func (f *Files) authorities(fsys fs.FS, name string) error {
	data, err := readFile(fsys, name)
	if err != nil {
		return err
	}
	var in struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.Unmarshal(data, &in); err != nil {
		return &imageset.ConfigError{File: name, Line: 1, Column: 1, Msg: "this is not as satchel wrote it: a ConfigMap with texts, or a patch of one"}
	}
	for key, pem := range in.Data {
		if key == "updateservice-registry" { // of the update service alone
			continue
		}
		f.Authorities[hostOf(key)] = pem
	}
	return nil
}

// hostOf is the registry of a key of the ConfigMap: dots come before the port.
func hostOf(key string) string {
	if i := strings.LastIndex(key, ".."); i >= 0 {
		return key[:i] + ":" + key[i+2:]
	}
	return key
}

// images reads what an object names.
func (f *Files) images(fsys fs.FS, name string) error {
	var in struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			Image  string `json:"image"`
			Graph  string `json:"graphDataImage"`
			Source struct {
				Image struct {
					Ref string `json:"ref"`
				} `json:"image"`
			} `json:"source"`
		} `json:"spec"`
	}
	if err := peekSome(fsys, name, &in, &in.Kind); err != nil || in.Kind == "" {
		return err
	}
	image := in.Spec.Image
	switch in.Kind {
	case "CatalogSource":
	case "ClusterCatalog":
		image = in.Spec.Source.Image.Ref
	case "UpdateService":
		image = in.Spec.Graph
	default:
		return nil
	}
	if image == "" {
		return nil
	}
	ref, err := oci.ParseRef(image)
	if err != nil {
		return &imageset.ConfigError{File: name, Line: 1, Column: 1, Msg: fmt.Sprintf("%s %s: its image is not a reference: %v", in.Kind, in.Metadata.Name, err)}
	}
	n := Named{Kind: in.Kind, Name: in.Metadata.Name, File: name, Image: ref}
	if n.Kind == "ClusterCatalog" {
		err = n.chosenBy(fsys)
	}
	f.Named = append(f.Named, n)
	return err
}

// chosenBy reads by what ClusterExtensions choose a ClusterCatalog.
func (n *Named) chosenBy(fsys fs.FS) error {
	data, err := readFile(fsys, n.File)
	if err != nil {
		return err
	}
	var in struct {
		Metadata struct {
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
		Spec struct {
			Priority int `json:"priority"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(data, &in); err != nil {
		return &imageset.ConfigError{File: n.File, Line: 1, Column: 1, Msg: "this is not as satchel wrote it: the labels or the priority of a ClusterCatalog"}
	}
	n.Labels, n.Priority = in.Metadata.Labels, in.Spec.Priority
	return nil
}

// peekSome is peek for files of which some are of another kind, with fields of the same names.
func peekSome(fsys fs.FS, name string, into any, kind *string) error {
	var only struct {
		Kind string `json:"kind"`
	}
	if err := peek(fsys, name, &only); err != nil {
		return err
	}
	switch only.Kind {
	case "CatalogSource", "ClusterCatalog", "UpdateService":
		return peek(fsys, name, into)
	}
	*kind = ""
	return nil
}

// secret reads the credentials that nodes get: the whole pull secret where it was written.
func (f *Files) secret(fsys fs.FS) error {
	if data, err := readFile(fsys, handover.FileMirrorSecret); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			f.Entries, err = site.ParsePullSecret(handover.FileMirrorSecret, data)
		}
		if err != nil {
			return err
		}
	}
	for _, name := range []string{handover.FileGitOpsAfterCut, handover.FileGitOpsSecret, handover.FileMirrorSecret} {
		data, err := readFile(fsys, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			f.Secret, err = site.ParsePullSecret(name, data)
			f.Whole = name != handover.FileMirrorSecret
		}
		return err
	}
	return nil
}

// hosted reads what a HostedCluster gets in place of objects.
func (f *Files) hosted(fsys fs.FS) error {
	data, err := readFile(fsys, handover.FileHostedRules)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(f.Rules) > 0 { // it hosts others, and has rules of its own
		return nil
	}
	f.Hosted = true
	o := rules.Object{Kind: rules.ContentSource, Name: "imageContentSources", Group: rules.Generic}
	for i, line := range strings.Split(string(data), "\n") {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case len(fields) == 1:
			return &imageset.ConfigError{File: handover.FileHostedRules, Line: i + 1, Column: 1, Msg: "the line names a source, and no mirror"}
		default:
			o.Rules = append(o.Rules, rules.Rule{Source: fields[0], Mirrors: fields[1:]})
		}
	}
	if len(o.Rules) > 0 {
		f.Rules = append(f.Rules, o)
	}
	pem, err := readFile(fsys, handover.FileHostedCA)
	if err == nil {
		f.Authorities[""] = string(pem)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
