package manifests

import (
	"context"
	"io"

	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/oci"
)

// Tool is a program of a release, as it is taken out of one of its images.
type Tool = payload.Tool

// ExtractTool writes a program that the release of these facts has. src has the release's images.
// What was written is right only when it returns without error.
func ExtractTool(ctx context.Context, src oci.Source, of PayloadFacts, t Tool, w io.Writer) error {
	return payload.Extract(ctx, src, t.Image, t.Name, payload.Stamp{Image: t.Source, Version: of.Version.String()}, w)
}
