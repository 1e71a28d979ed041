package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	// Name is the file's, in the directory with registries.conf.
	Name = "hub.json"

	version = "hub/1"
	maxFile = 256 << 20 // bytes; that of thousands of images has some
)

// file is hub.json.
type file struct {
	Version   string                        `json:"version"`
	Bundle    string                        `json:"bundle"` // its ID
	Mirror    mirror                        `json:"mirror"`
	Images    []oci.Image                   `json:"images"`
	Documents map[string][]oci.ArtifactFile `json:"documents"`
}

type mirror struct {
	Host           string    `json:"host"`
	Namespace      string    `json:"namespace,omitempty"`
	MaxNestedPaths int       `json:"maxNestedPaths,omitempty"`
	Shared         string    `json:"shared,omitempty"` // a repository that has the images of several paths
	Paths          [2]string `json:"paths,omitzero"`
}

// Of writes the file of a bundle, by its ID.
func Of(bundle string, h *manifests.Hub) (manifests.File, error) {
	at := h.Mirror
	f := file{Version: version, Bundle: bundle, Images: h.Images, Documents: h.Files,
		Mirror: mirror{at.Host, at.Namespace, at.MaxNestedPaths, at.Shared.Repository, at.Shared.Paths}}
	body, err := json.MarshalIndent(f, "", " ")
	return manifests.File{Name: Name, Mode: 0o644, Body: append(body, '\n')}, err
}

// FileError says that a hub.json cannot be used.
type FileError struct {
	File string
	Err  error
}

func (e *FileError) Error() string { return "read " + e.File + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *FileError) Hint() string {
	return "write the mirror's files again from its bundle; or move the file away, and images come from where registries.conf leads"
}

// Permanent is true: the file stays what it is.
func (e *FileError) Permanent() bool { return true }

// Beside reads the file beside a registries.conf; nil where there is none. Errors: *[FileError],
// *[oci.VersionError] for one of a newer satchel.
func Beside(registriesConf string) (*manifests.Hub, error) {
	name := filepath.Join(filepath.Dir(registriesConf), Name)
	body, err := read(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var h *manifests.Hub
	if err == nil {
		h, err = parse(name, body)
	}
	var newer *oci.VersionError
	if err != nil && !errors.As(err, &newer) {
		err = &FileError{name, err}
	}
	return h, err
}

func read(name string) (body []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(body) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return body, err
}

func parse(name string, body []byte) (*manifests.Hub, error) {
	var head struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return nil, err
	}
	var n int
	if _, err := fmt.Sscanf(head.Version, "hub/%d", &n); err != nil || n < 1 {
		return nil, fmt.Errorf("its version is %.40q", head.Version)
	}
	if n > 1 {
		return nil, &oci.VersionError{File: name, Has: head.Version, Reads: version}
	}
	var f file
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, err
	}
	h := &manifests.Hub{Images: f.Images, Files: f.Documents}
	h.Mirror = oci.Mirror{Host: f.Mirror.Host, Namespace: f.Mirror.Namespace, MaxNestedPaths: f.Mirror.MaxNestedPaths, Shared: oci.Shared{Repository: f.Mirror.Shared, Paths: f.Mirror.Paths}}
	if plain, err := oci.ParseMirror(h.Mirror.String()); err != nil || plain.Host != h.Mirror.Host {
		return nil, fmt.Errorf("it names no mirror: %.100q", h.Mirror)
	}
	return h, (&oci.Inventory{Images: h.Images}).Validate()
}
