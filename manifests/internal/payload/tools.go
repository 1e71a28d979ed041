package payload

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

// Programs that a release has, and the components that have them (openshift/oc, "oc adm release
// extract --tools").
const (
	ToolOC        = "oc"
	ToolInstall   = "openshift-install"
	componentOC   = "cli"
	componentInst = "installer"
	toolDir       = "usr/bin"
)

// Tool is a program of a release, as it is taken out of a component's image.
type Tool struct {
	Name     string         `json:"name"`     // ToolOC or ToolInstall
	Platform string         `json:"platform"` // os/arch
	Image    oci.Descriptor `json:"image"`    // the component's manifest for that platform
	Source   string         `json:"source"`   // the release image by digest, that the program is for
	Size     int64          `json:"size"`     // bytes
	SHA256   digest.Digest  `json:"sha256"`
}

// ToolComponents are the components of a payload that have programs: the program's name, and the
// component. Payloads without one of the two have fewer.
func (p *Payload) ToolComponents() map[string]Component {
	list := map[string]Component{}
	for _, c := range p.Components {
		switch c.Name {
		case componentOC:
			list[ToolOC] = c
		case componentInst:
			list[ToolInstall] = c
		}
	}
	return list
}

// Stamp is what a program must know of the release that it is of: a release is built after its
// components, so that they have room for both (openshift/installer, pkg/asset/releaseimage).
type Stamp struct {
	Image   string // of the release, by digest
	Version string
}

// Extract writes a program of a component's image, with the stamp in it. image is one manifest.
// What was written is right only when it returns without error. A component that does not have
// the program is an *[oci.UnsupportedError].
func Extract(ctx context.Context, src oci.Source, image oci.Descriptor, tool string, stamp Stamp, w io.Writer) error {
	found, stamped := false, false
	err := layers.Walk(ctx, src, image, toolDir, func(name string, _ int64, r io.Reader) (err error) {
		if name != toolDir+"/"+tool {
			return nil
		}
		found = true
		if stamped, err = stamp.copy(w, r); err != nil {
			return err
		}
		return layers.Stop
	})
	var why string
	switch {
	case err != nil:
		return fmt.Errorf("take %s out of %s: %w", tool, image.Digest, err)
	case !found:
		why = "it has no " + toolDir + "/" + tool
	case !stamped && tool == ToolInstall:
		why = "its " + tool + " has no place for the release image"
	default:
		return nil
	}
	return &oci.UnsupportedError{What: "image " + image.Digest.String(), Why: why}
}

var (
	markImage   = []byte("\x00_RELEASE_IMAGE_LOCATION_\x00")
	markVersion = []byte("\x00_RELEASE_VERSION_LOCATION_\x00")
)

const (
	stampWindow = 1 << 20 // bytes that are searched at once
	minPadding  = 32      // a marker alone is not followed by room for a value
)

// copy copies a program and puts the stamp into the room that it has. stamped: the image has
// found its room.
func (s Stamp) copy(w io.Writer, r io.Reader) (stamped bool, err error) {
	in := bufio.NewReaderSize(r, stampWindow)
	for {
		buf, err := in.Peek(stampWindow)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return false, err
		}
		if len(buf) == 0 {
			return stamped, nil
		}
		out, n := buf, len(buf)
		if !end {
			n -= len(markVersion)
		}
		i, value := s.find(buf)
		switch {
		case i > 0:
			n = i
		case i == 0:
			var filled []byte
			if filled, err = fill(buf, value); err != nil {
				return false, err
			}
			if n = max(1, len(filled)); filled != nil {
				out, stamped = filled, stamped || value == s.Image
			}
		}
		if _, err := w.Write(out[:n]); err != nil {
			return false, err
		}
		if _, err := in.Discard(n); err != nil {
			return false, err
		}
	}
}

// find gives the place of the first marker, and what belongs there; -1 for none.
func (s Stamp) find(buf []byte) (int, string) {
	i, v := bytes.Index(buf, markImage), bytes.Index(buf, markVersion)
	if i < 0 || v >= 0 && v < i {
		return v, s.Version
	}
	return i, s.Image
}

// fill gives the room that begins with a marker with a value in it; nil where there is no room.
func fill(buf []byte, value string) ([]byte, error) {
	mark := len(markImage)
	if bytes.HasPrefix(buf, markVersion) {
		mark = len(markVersion)
	}
	end := mark
	for end < len(buf) && buf[end] == 'X' {
		end++
	}
	if end-mark < minPadding || end == len(buf) || buf[end] != 0 {
		return nil, nil
	}
	if len(value) >= end {
		return nil, fmt.Errorf("%q is longer than the %d bytes that the program has for it", value, end)
	}
	room := bytes.Clone(buf[:end+1])
	copy(room, value+"\x00")
	return room, nil
}

// toolPlatform is what a program is for; the last part becomes a part of its file's name.
var toolPlatform = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^linux/[a-z0-9_]{1,32}(/[a-z0-9]{1,16})?$`) })

// Check checks what was read of a program.
func (t Tool) Check() error {
	ref, err := oci.ParseRef(t.Source)
	switch {
	case t.Name != ToolOC && t.Name != ToolInstall:
		return fmt.Errorf("%.64q is no program of a release", t.Name)
	case !toolPlatform().MatchString(t.Platform):
		return fmt.Errorf("%.64q is no platform of a program", t.Platform)
	case err != nil || ref.Digest == "":
		return fmt.Errorf("%.256q is no release image", t.Source)
	}
	return errors.Join(oci.CheckDescriptor(t.Image), oci.CheckDigest(t.SHA256))
}
