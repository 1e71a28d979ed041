package site

import "github.com/opencontainers/go-digest"

// CatalogGone is what the catalog that a name in the mirror served before had, and the one of
// this bundle has no more.
type CatalogGone struct {
	Catalog string        // the name: repository and tag
	Digest  digest.Digest // of the catalog that it serves now
	Lines   []string      // what is gone: packages, channels, versions
}
