package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// formatKubeVirt is part of the key under which a payload's boot images are stored.
const formatKubeVirt = "kubevirt/1"

// componentKubeVirt is what oc-mirror v2 calls the image for machines of KubeVirt.
const componentKubeVirt = "kube-virt-container"

// kubeVirt lists the images for machines of KubeVirt of a release's architecture,
// or of all of them for one for several, if their platforms are carried. Their tags are VERSION-ARCH-
// kube-virt-container, with the architecture after it where there are several, and
// with the name of the stream for those that are not of the release's own.
func (r *release) kubeVirt(ctx context.Context, from ask.Images) ([]ask.Image, error) {
	boot, err := readKubeVirt(ctx, r.src, r.image, from)
	if err != nil {
		return nil, err
	}
	tag, arch := r.tag()
	var list []ask.Image
	archs := map[string]bool{}
	for _, b := range boot {
		archs[b.Arch] = true
	}
	for _, b := range boot {
		if r.arch != MultiArch && b.Arch != arch || r.arch == MultiArch && !r.wants(b.Arch) {
			continue
		}
		name := componentKubeVirt
		if r.arch == MultiArch && len(archs) > 1 {
			name += "-" + b.Arch
		}
		if b.Stream != "" {
			name += "-" + b.Stream
		}
		w := ask.Image{Origin: origin.Release, Ref: b.Image, Tags: []string{tag + "-" + name}, Path: origin.PathComponents, Reasons: []oci.Reason{{Kind: origin.KindRelease, Name: r.Version + " " + arch, Part: name}}, Only: r.only}
		if !imageset.TargetTag().MatchString(w.Tags[0]) {
			return nil, &oci.UnsupportedError{What: "payload " + r.ref.String(), Why: fmt.Sprintf("%q, the tag in the mirror of its %s, is none", w.Tags[0], w.Ref)}
		}
		list = append(list, w)
	}
	if len(list) == 0 {
		from.Note(text.ASCII("mirror.platform.kubeVirtContainer: release " + r.Version + " " + arch + " has no image for machines of KubeVirt"))
	}
	return list, nil
}

// wants reports whether images for an architecture, as releases write it, are carried.
func (r *release) wants(arch string) bool {
	return r.only == nil || slices.ContainsFunc(r.only, func(p string) bool {
		_, of, _ := strings.Cut(p, "/")
		return releaseArch(of) == arch
	})
}

func readKubeVirt(ctx context.Context, src oci.Source, image oci.Descriptor, from ask.Images) (list []payload.BootImage, err error) {
	r, err := from.Derived(ctx, formatKubeVirt+" "+image.Digest.String(), func(w io.Writer) error {
		list, err := payload.KubeVirt(ctx, src, image)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(list)
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := json.NewDecoder(r).Decode(&list); err != nil {
		return nil, fmt.Errorf("read the boot images of payload %s as stored: %w", image.Digest, err)
	}
	return list, nil
}
