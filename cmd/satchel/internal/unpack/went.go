package unpack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/manifests"
)

// went is what a bundle has taken from the catalogs of a mirror. It is kept, because a run
// that comes after the tags were moved cannot see it any more.
type went struct {
	Version  int           `json:"version"` // 1
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
		u.files, u.notes, err = manifests.Emit(u.r.Inventory(), u.Site)
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
	var v struct{ Version int }
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err == nil && v.Version > 1 {
		return nil, &NewerError{File: file, Version: v.Version, Reads: 1}
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
	w := went{Version: 1}
	for _, g := range u.Site.Gone {
		w.Catalogs = append(w.Catalogs, wentCatalog{g.Catalog, g.Digest, g.Lines})
	}
	body, err := json.Marshal(w)
	if err == nil {
		err = durable.Alone(filepath.Dir(file), func() error { return durable.Write(file, append(body, '\n')) })
	}
	u.unnoted(err)
}

// NewerError says that a file of this host was written by a newer version.
type NewerError struct {
	File           string
	Version, Reads int
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("%s was written by a newer satchel (version %d; this one reads %d)", e.File, e.Version, e.Reads)
}

// Hint says what to do now.
func (e *NewerError) Hint() string { return "use the newer satchel on this host" }

// Permanent reports that it stays so.
func (e *NewerError) Permanent() bool { return true }
