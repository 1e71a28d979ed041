package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Available is what a configuration can name of a catalog: all packages, each channel with its
// head alone, or one package with all versions.
type Available struct {
	Catalog  string                      `json:"catalog"`
	Digest   digest.Digest               `json:"digest"`
	Packages []documents.PackageContents `json:"packages"` // by name
}

// NotThereError says that a catalog does not have what was asked for.
type NotThereError struct {
	Why, hint string
}

func (e *NotThereError) Error() string { return e.Why }

// Hint says what to ask for.
func (e *NotThereError) Hint() string { return e.hint }

// Permanent reports that the same question has the same answer.
func (e *NotThereError) Permanent() bool { return true }

// List reads the catalog of o. With a name it lists that package alone, with all versions, and with
// a channel's name that channel alone.
func List(ctx context.Context, o *imageset.Operator, pkg, channel string, from ask.Images) (_ *Available, err error) {
	ref, err := o.Ref()
	if err != nil {
		return nil, &NotThereError{fmt.Sprintf("catalog %s: %v", text.ASCII(o.Catalog), err), "name an image, such as registry.redhat.io/redhat/redhat-operator-index:v4.18"}
	}
	s := newSelection(&imageset.Problems{}, "", o, ref)
	root, src, err := from.Resolve(ctx, ref)
	if err == nil {
		err = s.opened(ctx, root, src)
	}
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", s.what, bare(err))
	}
	index, err := s.index(ctx, from)
	if err != nil {
		return nil, bare(err)
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	out := &Available{Catalog: ref.String(), Digest: root.Digest, Packages: []documents.PackageContents{}}
	if o.IsDirectory() {
		out.Catalog = text.ASCII(o.Catalog)
	}
	if err := out.read(index, s.what, pkg, channel, from); err != nil {
		return nil, err
	}
	return out, nil
}

// bare is what is wrong where no image is missing from a bundle.
func bare(err error) error {
	var gap *oci.Gap
	if errors.As(err, &gap) {
		return gap.Err
	}
	return err
}

// read lists what is asked for of what is stored.
func (a *Available) read(index io.Reader, what, pkg, channel string, from ask.Images) error {
	in, err := catalog.NewReader(index)
	if err != nil {
		return err
	}
	defer in.Close()
	for _, f := range in.Faults {
		from.Note(text.ASCII(fmt.Sprintf("%s: file %q: %s", what, f.File, f.Why)))
	}
	var names []string
	for {
		p, _, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if p.Name == "" {
			continue
		}
		if names = append(names, p.Name); pkg != "" && p.Name != pkg {
			continue
		}
		a.Packages = append(a.Packages, available(p, pkg == ""))
	}
	switch {
	case pkg == "":
		return nil
	case len(a.Packages) == 0:
		return &NotThereError{fmt.Sprintf("%s has no package %q%s", what, text.ASCII(pkg), ask.DidYouMean(pkg, names)), "list all packages, without naming one"}
	case channel == "":
		return nil
	}
	return a.only(what, channel)
}

// only leaves out all but one channel of the one package.
func (a *Available) only(what, channel string) error {
	p := &a.Packages[0]
	var names []string
	for _, ch := range p.Channels {
		if names = append(names, ch.Name); ch.Name == channel {
			p.Channels = []documents.ChannelContents{ch}
			return nil
		}
	}
	return &NotThereError{fmt.Sprintf("package %q of %s has no channel %q; it has %s", p.Name, what, text.ASCII(channel), strings.Join(names, ", ")), "name one of these channels"}
}

// available lists a package, or of each channel the head.
func available(p *catalog.Package, heads bool) documents.PackageContents {
	out := documents.PackageContents{Name: documents.Name(p.Name), Channels: []documents.ChannelContents{}}
	if p.DefaultChannel != "" {
		out.DefaultChannel = documents.Name(p.DefaultChannel)
	}
	for _, ch := range p.Channels {
		c, head := channelContents(p, ch)
		if heads {
			c.Versions = head
		}
		out.Channels = append(out.Channels, c)
	}
	return out
}
