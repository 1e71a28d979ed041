package catalogdiff

import (
	"context"
	"errors"
	"io"

	"github.com/satchel-airgap/satchel/oci"
)

// WriteDocuments writes the documents of a catalog, JSON one after another, package by
// package: as they are in a file of a file-based catalog, and the same bytes each time. It
// reads the catalog as [Read] does, with the same errors.
func WriteDocuments(ctx context.Context, name string, src oci.Source, root oci.Descriptor, w io.Writer) error {
	c, err := open(ctx, name, src, root)
	if err != nil {
		return err
	}
	return errors.Join(c.WriteDocuments(w), c.Close())
}
