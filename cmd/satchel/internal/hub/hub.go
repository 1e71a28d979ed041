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
	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	// Name is the file's, in the directory with registries.conf.
	Name = "hub.json"

	version = "hub/1"
	maxFile = 256 << 20 // bytes; that of thousands of images has some
)

// Bundle is the bundle that a file is of.
type Bundle struct {
	ID       string `json:"bundle"`
	Ledger   string `json:"ledger,omitempty"` // of its stream; empty for a bundle of none
	Stream   string `json:"stream,omitempty"`
	Sequence int    `json:"sequence,omitempty"`
}

// file is hub.json.
type file struct {
	Version string `json:"version"`
	Bundle
	Mirror    mirror                        `json:"mirror"`
	Images    []oci.Image                   `json:"images"`
	Gaps      []oci.Gap                     `json:"gaps,omitempty"` // what the bundle lacks
	Documents map[string][]oci.ArtifactFile `json:"documents"`
}

type mirror struct {
	Host           string    `json:"host"`
	Namespace      string    `json:"namespace,omitempty"`
	MaxNestedPaths int       `json:"maxNestedPaths,omitempty"`
	Shared         string    `json:"shared,omitempty"` // a repository that has the images of several paths
	Paths          [2]string `json:"paths,omitzero"`
}

// Of writes the file of a bundle. The earlier file, nil for none, counts if it is of the same
// mirror and stream: that of a newer bundle stays, unless back is true, which is reported; of
// another one stays what this bundle says nothing of.
func Of(b Bundle, h *manifests.Hub, earlier []byte, back bool) (f manifests.File, kept *Bundle, err error) {
	if old, body, err := parseFile(Name, earlier); err == nil && old.isOf(b, h) {
		if old.Sequence > b.Sequence && !back {
			return manifests.File{Name: Name, Mode: 0o644, Body: earlier}, &old.Bundle, nil
		}
		h = merge(body, h)
	}
	at := h.Mirror
	out := file{Version: version, Bundle: b, Images: h.Images, Gaps: h.Gaps, Documents: h.Files,
		Mirror: mirror{at.Host, at.Namespace, at.MaxNestedPaths, at.Shared.Repository, at.Shared.Paths}}
	body, err := json.MarshalIndent(out, "", " ")
	return manifests.File{Name: Name, Mode: 0o644, Body: append(text.JSON(body), '\n')}, nil, err
}

func (f *file) isOf(b Bundle, h *manifests.Hub) bool {
	return f.Stream != "" && f.Stream == b.Stream && f.Ledger == b.Ledger && f.mirror() == h.Mirror
}

func (f *file) mirror() oci.Mirror {
	return oci.Mirror{Host: f.Mirror.Host, Namespace: f.Mirror.Namespace, MaxNestedPaths: f.Mirror.MaxNestedPaths, Shared: oci.Shared{Repository: f.Mirror.Shared, Paths: f.Mirror.Paths}}
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

// Beside reads the file beside a registries.conf, and which bundle it is of; nil where there is none. Errors: *[FileError],
// *[oci.VersionError] for one of a newer satchel.
func Beside(registriesConf string) (*manifests.Hub, Bundle, error) {
	name := filepath.Join(filepath.Dir(registriesConf), Name)
	body, err := read(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, Bundle{}, nil
	}
	var h *manifests.Hub
	var of Bundle
	if err == nil {
		h, of, err = parse(name, body)
	}
	var newer *oci.VersionError
	if err != nil && !errors.As(err, &newer) {
		err = &FileError{name, err}
	}
	return h, of, err
}

func read(name string) (body []byte, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would never open
		return nil, errors.New("it is not a regular file")
	}
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

func parse(name string, body []byte) (*manifests.Hub, Bundle, error) {
	f, h, err := parseFile(name, body)
	if err != nil {
		return nil, Bundle{}, err
	}
	return h, f.Bundle, nil
}

func parseFile(name string, body []byte) (*file, *manifests.Hub, error) {
	var head struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return nil, nil, err
	}
	var n int
	if _, err := fmt.Sscanf(head.Version, "hub/%d", &n); err != nil || n < 1 {
		return nil, nil, fmt.Errorf("its version is %.40q", head.Version)
	}
	if n > 1 {
		return nil, nil, &oci.VersionError{File: name, Has: head.Version, Reads: version}
	}
	var f file
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, nil, err
	}
	h := &manifests.Hub{Mirror: f.mirror(), Images: f.Images, Gaps: f.Gaps, Files: f.Documents}
	if plain, err := oci.ParseMirror(h.Mirror.String()); err != nil || plain.Host != h.Mirror.Host {
		return nil, nil, fmt.Errorf("it names no mirror: %.100q", h.Mirror)
	}
	return &f, h, (&oci.Inventory{Images: h.Images, Gaps: h.Gaps}).Validate()
}
