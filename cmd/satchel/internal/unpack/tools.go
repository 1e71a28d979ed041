package unpack

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// writeTools writes the programs of the carried releases that the bundle was asked to bring. They
// are taken out of the images of the releases, whose every byte is checked, and must then be what
// pack took out of them.
func (u *unpacking) writeTools(ctx context.Context) error {
	wrote, all := 0, 0
	for _, out := range u.outputs() {
		for _, facts := range u.Site.Payloads {
			for _, t := range facts.Tools {
				if !u.hasTool(t) {
					u.Warn("%s is not written: this bundle does not have the image that it is in", facts.ToolFile(t))
					continue
				}
				did, err := out.Dir.AddLarge(outdir.Large{
					Name: facts.ToolFile(t), Mode: 0o755, SHA256: t.SHA256.Encoded(),
					Write: func(w io.Writer) error { return manifests.ExtractTool(ctx, asking{u}, facts, t, w) },
				})
				if err != nil {
					return fmt.Errorf("release %s: %w", facts.Version, err)
				}
				if all++; did {
					wrote++
				}
			}
		}
	}
	if all > 0 {
		var dirs []string
		for _, out := range u.outputs() {
			dirs = append(dirs, filepath.Join(out.Dir.Path(), "tools"))
		}
		u.Info("%s of releases in %s: %d written, %d there already", text.Count(all, "program", "programs"), text.And(dirs), wrote, all-wrote)
	}
	return nil
}

// hasTool reports whether the image of a program can be read: a bundle of some images alone may
// not have it, and one that leaves out what the mirror has needs the mirror.
func (u *unpacking) hasTool(t manifests.Tool) bool {
	if u.r == nil {
		return true
	}
	if u.Unasked && u.r.Baseline() != nil {
		return false
	}
	return u.has(t.Image)
}
