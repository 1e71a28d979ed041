package release

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/oci"
)

// formatTool is part of the key under which is stored what a program is.
const formatTool = "tool/1"

// formatDisks is the same for the files that machines boot from.
const formatDisks = "disks/1"

// tools takes the programs of a release out of its images, to see that they are there, and notes
// what they are: on the far side they are taken out of the same images again.
func (r *release) tools(ctx context.Context, root oci.Descriptor, from ask.Images) (list []payload.Tool, err error) {
	stamp := payload.Stamp{Image: r.ref.WithDigest(root.Digest).String(), Version: r.Version}
	components := r.ToolComponents()
	for _, name := range []string{payload.ToolOC, payload.ToolInstall} {
		if _, has := components[name]; !has {
			return nil, withoutTools(&oci.UnsupportedError{What: "payload " + r.ref.String(), Why: "no component of it has the program " + name})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(components)) {
		some, err := r.toolsIn(ctx, name, components[name], stamp, from)
		if err != nil {
			return nil, fmt.Errorf("release %s %s, component %s, which is to have the program %s: %w", r.Version, r.ref, components[name].Name, name, withoutTools(err))
		}
		list = append(list, some...)
	}
	return list, nil
}

// ToolError says that a release lacks what the programs are made of.
type ToolError struct{ err error }

func (e *ToolError) Error() string { return e.err.Error() }
func (e *ToolError) Unwrap() error { return e.err }

// Hint says what to do now.
func (e *ToolError) Hint() string { return "carry the release without its programs" }

// withoutTools marks an error that the release alone can mend.
func withoutTools(err error) error {
	if _, lacks := errors.AsType[*oci.UnsupportedError](err); lacks {
		return &ToolError{err}
	}
	return err
}

// disks lists what machines boot from, of the architectures that are carried, or what was stored of it.
func (r *release) disks(ctx context.Context, from ask.Images) (list []payload.Disk, err error) {
	rc, err := from.Derived(ctx, formatDisks+" "+r.image.Digest.String(), func(w io.Writer) error {
		list, err := payload.Disks(ctx, r.src, r.image)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(list)
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	if err := json.NewDecoder(rc).Decode(&list); err != nil {
		return nil, fmt.Errorf("read the boot images of payload %s as stored: %w", r.image.Digest, err)
	}
	_, arch := r.tag()
	return slices.DeleteFunc(list, func(d payload.Disk) bool { return r.arch != MultiArch && d.Arch != arch || !r.wants(d.Arch) }), nil
}

// toolsIn is a program for each platform of its component that is carried.
func (r *release) toolsIn(ctx context.Context, name string, c payload.Component, stamp payload.Stamp, from ask.Images) (list []payload.Tool, err error) {
	root, src, err := from.Resolve(ctx, c.Image)
	if err != nil {
		return nil, err
	}
	platforms, err := oci.Platforms(ctx, src, root)
	if err != nil {
		return nil, err
	}
	for _, platform := range platforms {
		if !strings.HasPrefix(platform, "linux/") || r.only != nil && len(ask.Lacking(r.only, []string{platform})) == len(r.only) {
			continue
		}
		image, err := layers.Pick(ctx, src, root, platform)
		if err != nil {
			return nil, err
		}
		tool := payload.Tool{Name: name, Platform: platform, Image: image, Source: stamp.Image}
		if err := measure(ctx, src, &tool, stamp, from); err != nil {
			return nil, err
		}
		list = append(list, tool)
	}
	return list, nil
}

// measure finds out how large a program is and what its digest is, or what was stored of that.
func measure(ctx context.Context, src oci.Source, tool *payload.Tool, stamp payload.Stamp, from ask.Images) (err error) {
	key := fmt.Sprintf("%s %s %s %s %s", formatTool, tool.Image.Digest, tool.Name, stamp.Image, stamp.Version)
	rc, err := from.Derived(ctx, key, func(w io.Writer) error {
		h := sha256.New()
		count := &counter{w: h}
		if err := payload.Extract(ctx, src, tool.Image, tool.Name, stamp, count); err != nil {
			return err
		}
		one := *tool
		one.Size, one.SHA256 = count.n, digest.NewDigest(digest.SHA256, h)
		return json.NewEncoder(w).Encode(one)
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	if err := json.NewDecoder(rc).Decode(tool); err != nil {
		return fmt.Errorf("read what was stored of %s: %w", tool.Name, err)
	}
	return nil
}

// counter counts bytes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
