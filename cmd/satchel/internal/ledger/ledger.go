package ledger

import (
	"cmp"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
)

// Kept is of how many bundles, the last ones of a stream, the content is kept.
const Kept = 52

// Ledger is what a ledger said when it was read.
type Ledger struct {
	ID      string   // 32 hexadecimal digits, random
	Name    string   // of the stream
	Config  string   // absolute path of the configuration that the last bundle was packed from, "-" for standard input
	Next    int      // the number that the next bundle gets
	Bundles []Bundle // by number

	reconciled bool // a journal knew more
}

// Bundle is one bundle of a stream. Times are UTC, zero for what has not happened.
type Bundle struct {
	Sequence    int                `json:"sequence"`
	Bundle      string             `json:"bundle"`            // its ID
	Partial     bool               `json:"partial,omitempty"` // it is of a part of the configuration's images
	Dir         string             `json:"dir"`               // that it was packed into
	Reserved    time.Time          `json:"reserved"`
	Sealed      time.Time          `json:"sealed,omitzero"`
	Fingerprint bundle.Fingerprint `json:"fingerprint,omitempty"`
	Verified    bool               `json:"verified,omitempty"` // every byte was read back from the drive
	Confirmed   time.Time          `json:"confirmed,omitzero"` // when it became known that it arrived
	How         How                `json:"how,omitempty"`      // by what
	Sites       []Site             `json:"sites,omitempty"`    // where it arrived
	Count       Count              `json:"count"`
	Content     string             `json:"content,omitempty"` // name of the file; "" once it is not kept any more
	Catalogs    []Catalog          `json:"catalogs,omitempty"`
}

// How a host learns that a bundle arrived.
type How string

// The ways to learn it.
const (
	BySlip    How = "slip"    // someone typed the fingerprint
	ByReceipt How = "receipt" // a receipt came back
)

// Count is how much a bundle needs.
type Count struct {
	Images    int   `json:"images"`
	Manifests int   `json:"manifests"`
	Blobs     int   `json:"blobs"`
	Bytes     int64 `json:"bytes"` // of manifests and blobs, each digest once
}

// Catalog is a filtered catalog of a bundle, as the mirror serves it.
type Catalog struct {
	Name   string        `json:"name"` // its reference, as configured
	Digest digest.Digest `json:"digest"`
	Path   string        `json:"path"` // its repository in the mirror, below the namespace
	Tags   []string      `json:"tags,omitempty"`
	File   string        `json:"file,omitempty"` // "" once it is not kept any more
}

// Stream is the stream that the ledger counts.
func (l *Ledger) Stream() bundle.Stream { return bundle.Stream{Ledger: l.ID, Name: l.Name} }

// Arrived is the newest bundle that is known to have arrived, nil if there is none.
func (l *Ledger) Arrived() *Bundle {
	for i := range slices.Backward(l.Bundles) {
		if !l.Bundles[i].Confirmed.IsZero() {
			return &l.Bundles[i]
		}
	}
	return nil
}

// find gives a bundle by its ID, nil if the ledger has none.
func (l *Ledger) find(id string) *Bundle {
	i := slices.IndexFunc(l.Bundles, func(b Bundle) bool { return b.Bundle == id })
	if i < 0 {
		return nil
	}
	return &l.Bundles[i]
}

var notOfNames = regexp.MustCompile(`[^a-z0-9._-]+`)

// NameOf is the name of a stream whose configuration is the file, if no name was given: the
// file's own, without its extension, in what names are made of.
func NameOf(config string) string {
	if config == "-" {
		return "stdin"
	}
	base := filepath.Base(config)
	name := notOfNames.ReplaceAllString(strings.ToLower(strings.TrimSuffix(base, filepath.Ext(base))), "-")
	name = strings.TrimLeft(name, "._-")
	return cmp.Or(strings.TrimRight(name[:min(len(name), 64)], "-"), "default")
}
