package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// TestShortDigests: on a terminal digests are short, unless --wide; elsewhere they are whole.
func TestShortDigests(t *testing.T) {
	t.Parallel()
	d := oci.Digest([]byte("x"))
	short := d.String()[:len("sha256:")+12]
	ref := oci.Ref{Registry: "a.io", Repository: "b"}.WithDigest(d)
	rep := &inspect.Report{Images: []report.Image{{Origin: manifests.OriginAdditional, Source: ref, Digest: d, Platforms: []string{"linux/amd64"}}}}
	_, tty := pseudoTerminal(t)
	defer tty.Close()
	for name, c := range map[string]struct {
		view view
		want string
	}{
		"terminal":       {(&app{stdout: tty}).view(false), "  a.io/b  " + short + "  0 B"},
		"terminal, wide": {(&app{stdout: tty}).view(true), "  a.io/b@" + d.String() + "  " + d.String() + "  0 B"},
		"no terminal":    {(&app{stdout: &bytes.Buffer{}}).view(false), "  a.io/b@" + d.String() + "  " + d.String() + "  0 B"},
	} {
		var b strings.Builder
		if err := printInspect(&b, rep, c.view); err != nil || !strings.Contains(b.String(), c.want) {
			t.Errorf("%s: %v\n%s\ndoes not have %q", name, err, b.String(), c.want)
		}
	}
}
