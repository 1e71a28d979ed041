package manifests

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/needed"
)

// Variables of the environment that [Load] reads, as oc-mirror does.
const (
	// EnvUpdateURL is the address of update graphs, in place of the published ones.
	EnvUpdateURL = "UPDATE_URL_OVERRIDE"
	// EnvSignatureURL is where the signatures of releases are.
	EnvSignatureURL = "OCP_SIGNATURE_URL"
	// EnvSignatureKey is a file with the public keys that sign releases.
	EnvSignatureKey = "OCP_SIGNATURE_VERIFICATION_PK"
)

// Request is what a configuration is made of.
type Request struct {
	Name  string // of the file, for messages
	Data  []byte // the ImageSetConfiguration
	Extra Extra  // what is asked for in addition to the file
	// Clusters are those whose needs are asked for in addition: the releases that they run, the
	// images that they use, and catalogs from what they have installed on.
	Clusters []*Cluster
	// Getenv reads a variable of the environment; nil: none is set.
	Getenv func(name string) string
	// ReadFile reads a small file that the configuration or the environment names;
	// nil: a file of this host, relative to the working directory.
	ReadFile func(name string) ([]byte, error)
}

// InputError says that something which the environment or [Extra] names cannot be used.
type InputError struct {
	What  string // such as the name of the variable
	Err   error
	Field string // of [Extra] that names it; empty for the environment

	hint string
}

func (e *InputError) Error() string { return e.What + ": " + e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *InputError) Hint() string { return e.hint }

// Permanent reports that the same input is wrong every time.
func (e *InputError) Permanent() bool { return true }

// Load reads a configuration, with all that belongs to it: the environment, the
// templates of CatalogSources and the pods of a cluster. It checks that everything
// that is asked for is supported, and that anything is. Errors are *[ConfigError]
// and *[InputError].
func Load(r Request) (*Config, error) {
	if r.Getenv == nil {
		r.Getenv = func(string) string { return "" }
	}
	if r.ReadFile == nil {
		r.ReadFile = readSmallFile
	}
	c, err := imageset.Parse(r.Name, r.Data)
	if err != nil {
		return nil, err
	}
	c.Extra = r.Extra
	for _, step := range []func() error{
		func() error { return addUses(&c.Extra, r.Clusters) },
		func() error { return addEnvironment(c, r) },
		func() error { return c.ReadTemplates(r.ReadFile) },
		c.CheckSupported,
		c.CheckNotEmpty,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// addEnvironment adds what the environment says. What it names must be right:
// nothing takes its place.
func addEnvironment(c *Config, r Request) error {
	x := &c.Extra
	if x.UpdateURL == "" {
		x.UpdateURL = r.Getenv(EnvUpdateURL)
	}
	pf := c.Mirror.Platform
	if pf.Release == "" && len(pf.Channels) == 0 && len(x.Running) == 0 || x.IgnoreReleaseSignature {
		return nil
	}
	if store := r.Getenv(EnvSignatureURL); store != "" {
		if err := imageset.CheckSignatureStore(store); err != nil {
			return &InputError{What: EnvSignatureURL, Err: err, hint: "give the address above the sha256=... of signatures, such as https://HOST/PATH"}
		}
		x.SignatureURL = store
	}
	file := r.Getenv(EnvSignatureKey)
	if file == "" {
		return nil
	}
	keys, err := r.ReadFile(file)
	if err == nil {
		err = imageset.CheckSignatureKeys(string(keys))
	}
	if err != nil {
		return &InputError{What: EnvSignatureKey, Err: fmt.Errorf("read public key %s: %w", file, err), hint: "name a file with the armoured public key (gpg --armor --export), or unset it to trust Red Hat's keys"}
	}
	x.SignatureKeys = string(keys)
	return nil
}

// readSmallFile reads a file of this host.
func readSmallFile(name string) (body []byte, err error) {
	const most = 1 << 20
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err = io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(body) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return body, err
}

// addUses adds what clusters need, and what pods use: read from files and directories.
func addUses(x *Extra, clusters []*Cluster) error {
	if len(x.PodFiles) == 0 && len(clusters) == 0 {
		return nil
	}
	needs := needed.Of(clusters)
	x.Running, x.Installed = slices.Clone(needs.Running), needs.Installed
	set, err := needs.Pods()
	if err != nil {
		return &InputError{What: "read the images of clusters", Err: err, hint: "give fewer clusters"}
	}
	for _, name := range x.PodFiles {
		if err := readPods(set, name); err != nil {
			return &InputError{What: "read pods from " + name, Err: err, Field: "PodFiles", hint: "pods are read from what oc get pods -A -o json (or -o yaml) writes, or from an extracted must-gather"}
		}
	}
	x.Pods, x.PodNotes = set.Images()
	x.PodNotes = append(needs.Notes, x.PodNotes...)
	for _, r := range set.Running() {
		if !slices.ContainsFunc(x.Running, func(have imageset.Running) bool { return have.Ref == r.Ref }) {
			x.Running = append(x.Running, r)
		}
	}
	return nil
}

// readPods reads a file, or a directory.
func readPods(set *Pods, name string) error {
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
