package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
)

// formatPayload is part of the key under which a payload that was read is stored.
const formatPayload = "payload/2"

// MultiArch is the architecture of a payload for several.
const MultiArch = "multi"

// archNames are the architectures that releases write otherwise than Go.
var archNames = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

var archPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9_]{1,32}$`) })

// release is one payload that was read.
type release struct {
	ref        oci.Ref
	arch       string // as Go writes it, or multi
	signatures []documents.Signature
	told       []documents.PayloadFacts // at most one: what it says of updates
	*payload.Payload

	src   oci.Source
	image oci.Descriptor // one manifest
	only  []string       // platforms that are carried
}

// Configured asks for mirror.platform.release: the payload, and the image of
// each component by digest. A payload that cannot be read is a *[oci.Gap], one
// that is not signed a *[SignatureError].
func Configured(ctx context.Context, c *imageset.Config, from ask.Images) (ask.Set, error) {
	pf := c.Mirror.Platform
	if pf.Release == "" {
		return ask.Set{}, nil
	}
	ref, err := oci.ParseRef(pf.Release)
	if err != nil {
		return ask.Set{}, fmt.Errorf("mirror.platform.release: %w", err)
	}
	var list []ask.Image
	r, err := readRelease(ctx, c, ref, from, signature.Keyring{})
	var unverified *SignatureError
	if errors.As(err, &unverified) {
		return ask.Set{}, err // --keep-going is no way around it
	}
	if err == nil {
		list, err = r.images(ctx, c, from)
	}
	if err != nil {
		w := ask.Image{Origin: origin.Release, Ref: ref, Path: origin.PathPayload, Reasons: []oci.Reason{{Kind: origin.KindConfigured}}}
		return ask.Set{}, &oci.Gap{Image: w.Entry(), Err: err}
	}
	if len(pf.Architectures) > 0 && !slices.Contains(pf.Architectures, r.arch) {
		p := c.Problems()
		p.Add("mirror.platform.architectures[0]", "mirror.platform.architectures asks for %s; the payload %s is for %s", strings.Join(pf.Architectures, ", "), ref, r.arch)
		return ask.Set{}, p.Join()
	}
	return ask.Set{Images: list, Signatures: r.signatures, Payloads: r.told}, nil
}

// readRelease finds a payload, has its signature verified, and then reads it, unless
// that was done before. What is read and carried is what was verified, by digest:
// from resolves a tag once. A release without a verified signature is a
// *[SignatureError], which must not become a gap.
func readRelease(ctx context.Context, cfg *imageset.Config, ref oci.Ref, from ask.Images, brought signature.Keyring) (*release, error) {
	root, src, err := from.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := oci.CheckDescriptor(root); err != nil {
		return nil, err
	}
	if ref.Digest != "" && ref.Digest != root.Digest {
		return nil, fmt.Errorf("pinned to another digest, %s", root.Digest)
	}
	signatures, err := verifyRelease(ctx, from, cfg, ref, root.Digest, brought)
	if err != nil {
		return nil, err
	}
	only := imageset.PlatformNames(cfg.Mirror.Platform.Platforms)
	image, err := ask.Pick(ctx, src, root, only)
	if err != nil {
		return nil, err
	}
	arch, err := payloadArch(ctx, src, root, image)
	if err != nil {
		return nil, err
	}
	p, err := readPayload(ctx, src, image, from)
	if err != nil {
		return nil, err
	}
	if p.Architecture == MultiArch {
		arch = MultiArch // one of several, named by its own digest
	}
	r := &release{ref: ref, arch: arch, signatures: signatures, Payload: p, src: src, image: image, only: only}
	if r.told, err = r.facts(ctx, root, from); err != nil || !cfg.Extra.Tools {
		return r, err
	}
	if len(r.told) == 0 {
		return nil, &oci.UnsupportedError{What: "payload " + ref.String(), Why: "what it says of updates cannot be read, and its programs belong to that"}
	}
	if r.told[0].Tools, err = r.tools(ctx, root, from); err != nil {
		return nil, err
	}
	r.told[0].Disks, err = r.disks(ctx, from)
	return r, err
}

// payloadArch is the architecture of a payload: several for an index of more
// than one platform, else its image's own.
func payloadArch(ctx context.Context, src oci.Source, root, image oci.Descriptor) (string, error) {
	platforms, err := oci.Platforms(ctx, src, root)
	if err != nil {
		return "", err
	}
	if len(platforms) > 1 {
		return MultiArch, nil
	}
	config, err := layers.Config(ctx, src, image)
	if err != nil {
		return "", err
	}
	if !archPattern().MatchString(config.Architecture) {
		return "", &oci.UnsupportedError{What: "payload " + image.Digest.String(), Why: fmt.Sprintf("its architecture is %.64q", config.Architecture)}
	}
	return config.Architecture, nil
}

func readPayload(ctx context.Context, src oci.Source, image oci.Descriptor, from ask.Images) (p *payload.Payload, err error) {
	r, err := from.Derived(ctx, formatPayload+" "+image.Digest.String(), func(w io.Writer) error {
		p, err := payload.Read(ctx, src, image)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(p)
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	p = &payload.Payload{}
	if err := json.NewDecoder(r).Decode(p); err != nil {
		return nil, fmt.Errorf("read payload %s as stored: %w", image.Digest, err)
	}
	return p, nil
}

// images lists all that is carried of a release, the payload first.
func (r *release) images(ctx context.Context, c *imageset.Config, from ask.Images) ([]ask.Image, error) {
	list, err := r.wanted()
	if err != nil || !c.Mirror.Platform.KubeVirtContainer {
		return list, err
	}
	boot, err := r.kubeVirt(ctx, from)
	return append(list, boot...), err
}

// releaseArch writes an architecture as releases do.
func releaseArch(arch string) string {
	if name := archNames[arch]; name != "" {
		return name
	}
	return arch
}

// tag is VERSION-ARCH, and the architecture in it.
func (r *release) tag() (tag, arch string) {
	arch = releaseArch(r.arch)
	return strings.ReplaceAll(r.Version, "+", "_") + "-" + arch, arch // a tag cannot have a plus
}

// Image lists the payload and its components under the tags that oc-mirror v2
// gives them: VERSION-ARCH, and that with the component's name.
func (r *release) wanted() ([]ask.Image, error) {
	tag, arch := r.tag()
	why := oci.Reason{Kind: origin.KindRelease, Name: r.Version + " " + arch}
	list := []ask.Image{{Origin: origin.Release, Ref: r.ref, Tags: []string{tag}, Path: origin.PathPayload, Reasons: []oci.Reason{why}, Only: r.only}}
	for _, s := range r.signatures {
		list[0].Reasons = append(list[0].Reasons, oci.Reason{Kind: origin.KindSignature, Name: s.By})
	}
	for _, c := range r.Components {
		list = append(list, ask.Image{Origin: origin.Release, Ref: c.Image, Tags: []string{tag + "-" + c.Name}, Path: origin.PathComponents, Reasons: []oci.Reason{{Kind: why.Kind, Name: why.Name, Part: c.Name}}, Only: r.only})
	}
	for _, w := range list {
		if !imageset.TargetTag().MatchString(w.Tags[0]) {
			return nil, &oci.UnsupportedError{What: "payload " + r.ref.String(), Why: fmt.Sprintf("%q, the tag in the mirror of its %s, would have %d characters; a tag has at most 128", w.Tags[0], w.Ref, len(w.Tags[0]))}
		}
	}
	return list, nil
}
