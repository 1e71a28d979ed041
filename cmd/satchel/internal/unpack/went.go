package unpack

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

const wentVersion = "went/1"

// went is what a bundle has taken from the catalogs of a mirror. It is kept, because a run
// that comes after the tags were moved cannot see it any more.
type went struct {
	Version  string        `json:"version"`
	Catalogs []wentCatalog `json:"catalogs"`
}

type wentCatalog struct {
	Name  string        `json:"name"`
	After digest.Digest `json:"after"`
	Lines []string      `json:"lines"`
}

// recallGone has what is written for the cluster say what went in an earlier run.
func (u *unpacking) recallGone() error {
	list, err := u.readWent()
	for _, w := range list {
		u.Site.Gone = append(u.Site.Gone, manifests.CatalogGone{Catalog: w.Name, Digest: w.After, Lines: w.Lines})
	}
	return err
}

// noteGone writes down what is about to go, and adds it to what is written for the cluster.
func (u *unpacking) noteGone() (err error) {
	fresh := false
	for _, c := range u.moving {
		if !c.Shrinks() {
			continue
		}
		u.Site.Gone = slices.DeleteFunc(u.Site.Gone, func(g manifests.CatalogGone) bool { return g.Catalog == c.Name })
		u.Site.Gone, fresh = append(u.Site.Gone, manifests.CatalogGone{Catalog: c.Name, Digest: c.After, Lines: c.Changes.Going()}), true
	}
	if !fresh || u.DryRun {
		return nil
	}
	u.writeWent()
	if u.Out != nil {
		err = u.emit()
	}
	return err
}

func (u *unpacking) readWent() ([]wentCatalog, error) {
	file := u.place("went")
	if file == "" {
		return nil, nil
	}
	body, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var v struct{ Version string }
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err == nil && v.Version != wentVersion {
		return nil, &oci.VersionError{File: file, Has: v.Version, Reads: wentVersion}
	}
	var w went
	if err == nil {
		err = json.Unmarshal(body, &w)
	}
	u.unnoted(err)
	return w.Catalogs, nil
}

func (u *unpacking) writeWent() {
	file := u.place("went")
	if file == "" {
		return
	}
	w := went{Version: wentVersion}
	for _, g := range u.Site.Gone {
		w.Catalogs = append(w.Catalogs, wentCatalog{g.Catalog, g.Digest, g.Lines})
	}
	body, err := json.Marshal(w)
	if err == nil {
		err = durable.Alone(filepath.Dir(file), func() error { return durable.Write(file, append(body, '\n')) })
	}
	u.unnoted(err)
}
