package imageset

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/strict"
	"github.com/satchel-airgap/satchel/oci"
)

// Delete is a DeleteImageSetConfiguration of mirror.openshift.io/v2alpha1: what is to go from
// a mirror. The fields are those of oc-mirror v2.
type Delete struct {
	Kind       string    `json:"kind"`
	APIVersion string    `json:"apiVersion"`
	Delete     DeleteSet `json:"delete"`
}

// DeleteSet says what goes.
type DeleteSet struct {
	Platform         Platform          `json:"platform,omitzero"`
	Operators        []Operator        `json:"operators,omitempty"`
	AdditionalImages []AdditionalImage `json:"additionalImages,omitempty"`
	Helm             Helm              `json:"helm,omitzero"`
	Samples          []Sample          `json:"samples,omitempty"` // oc-mirror reads them and does nothing
}

// ParseDelete reads a DeleteImageSetConfiguration as strictly as [Parse] reads what is
// carried, with the same errors.
func ParseDelete(name string, data []byte) (*Delete, error) {
	doc, err := strict.Parse(data)
	if err != nil {
		return nil, located(name, err)
	}
	var head struct {
		Kind       string `json:"kind"`
		APIVersion string `json:"apiVersion"`
	}
	if places, err := doc.Peek(&head); err == nil {
		if err := checkHead(name, kindDeleteImageSet, head.Kind, head.APIVersion, places); err != nil {
			return nil, err
		}
	}
	d := &Delete{}
	places, err := doc.Decode(d)
	if err != nil {
		return nil, located(name, err)
	}
	m := Mirror{Platform: d.Delete.Platform, Operators: d.Delete.Operators, AdditionalImages: d.Delete.AdditionalImages, Helm: d.Delete.Helm}
	m.normalize()
	p := NewProblems(name, places)
	m.validate(p, "delete")
	for i := range m.Operators {
		m.Operators[i].checkSupported(p, fmt.Sprintf("delete.operators[%d]", i))
	}
	if len(d.Delete.Samples) > 0 {
		p.refuse("delete.samples", "oc-mirror reads it and deletes nothing for it; name the images under delete.additionalImages")
	}
	pf := m.Platform
	if _, ok := places["delete"]; !ok {
		p.Add("delete", "delete is missing; it says what goes from the mirror")
	} else if !m.Helm.asked() && !pf.Graph && pf.Release == "" && len(pf.Channels)+len(m.Operators)+len(m.AdditionalImages)+len(d.Delete.Samples) == 0 {
		p.Add("delete", "there is nothing to delete: none of delete.platform.release, delete.platform.channels, delete.platform.graph, delete.operators, delete.additionalImages and delete.helm names anything")
	}
	return d, p.Join()
}

// minorOfChannel finds the minor version in the name of a channel, such as stable-4.16.
var minorOfChannel = regexp.MustCompile(`-([0-9]{1,4})\.([0-9]{1,4})$`)

// Takes reports whether a release, by its tag in the mirror, is one of those that the channels
// name, as far as that is known without their graphs: by versions.
func (pf *Platform) Takes(tag string) bool {
	t, ok := origin.ParseReleaseTag(tag)
	return ok && pf.takesArch(t.Arch) && slices.ContainsFunc(pf.Channels, func(ch ReleaseChannel) bool { return ch.takes(t.Version) })
}

// takesArch has x86_64 where no architecture is named, as oc-mirror has.
func (pf *Platform) takesArch(arch string) bool {
	asWritten := map[string]string{"x86_64": "amd64", "aarch64": "arm64"}
	if name := asWritten[arch]; name != "" {
		arch = name
	}
	switch {
	case len(pf.Platforms) > 0:
		return arch == "multi"
	case len(pf.Architectures) > 0:
		return slices.Contains(pf.Architectures, arch)
	}
	return arch == "amd64"
}

func (ch *ReleaseChannel) takes(v semver.Version) bool {
	if okd := strings.Contains(v.String(), "okd"); okd != (ch.Type == "okd") {
		return false
	}
	same := true // the minor version as that of the channel, if it has one
	if m := minorOfChannel.FindStringSubmatch(ch.Name); m != nil {
		major, _ := strconv.ParseUint(m[1], 10, 64) // digits
		minor, _ := strconv.ParseUint(m[2], 10, 64)
		if v.Major > major || v.Major == major && v.Minor > minor {
			return false
		}
		same = v.Major == major && v.Minor == minor
	}
	low, lerr := semver.Parse(ch.MinVersion)
	high, herr := semver.Parse(ch.MaxVersion)
	switch {
	case ch.ShortestPath:
		return lerr == nil && v.EQ(low) || herr == nil && v.EQ(high)
	case lerr == nil && herr == nil:
		return v.GTE(low) && v.LTE(high)
	case lerr == nil:
		return v.GTE(low)
	case herr == nil:
		return v.LTE(high) && same
	}
	return ch.Full && same
}

// Doubt says what of a channel is not known without its graph; "" for nothing.
func (ch *ReleaseChannel) Doubt() string {
	switch {
	case ch.ShortestPath:
		return "which releases are on the way is not known here: only minVersion and maxVersion are looked for"
	case ch.MinVersion+ch.MaxVersion == "" && !ch.Full:
		return "which release is the newest of the channel is not known here: name minVersion and maxVersion"
	}
	return ""
}

// Place is the repository and the tag that a catalog has in a mirror; no tag where it has
// none but satchel's.
func (o *Operator) Place() (path, tag string, err error) {
	ref, err := o.Ref()
	if err != nil {
		return "", "", err
	}
	t := o.Target()
	if t.Path == "" {
		t.Path = ref.Repository
	}
	return t.Path, t.Tag, nil
}

// Place is the reference of an image, with the repository and the tag that it has in a mirror.
func (a *AdditionalImage) Place() (path string, ref oci.Ref) {
	path, ref = a.TargetRepo, a.Name
	if path == "" {
		path = ref.Repository
	}
	if a.TargetTag != "" {
		ref.Tag = a.TargetTag
	}
	return path, ref
}
