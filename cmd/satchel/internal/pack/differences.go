package pack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// differences says, image by image, what is other content: source, digest, platforms,
// path and tags. Documents and reasons do not count.
func differences(before, now []oci.Image) (list []string) {
	had, has := byContent(before), byContent(now)
	gone := without(before, has)
	for _, img := range without(now, had) {
		i := slices.IndexFunc(gone, func(g oci.Image) bool { return samePlace(g, img) })
		if i < 0 {
			list = append(list, fmt.Sprintf("%s is new (%s)", named(img), img.Root.Digest))
			continue
		}
		list = append(list, change(gone[i], img))
		gone = slices.Delete(gone, i, i+1)
	}
	for _, img := range gone {
		list = append(list, fmt.Sprintf("%s is not carried any more (%s)", named(img), img.Root.Digest))
	}
	return list
}

// content is all of an image that is compared, as one text.
func content(i oci.Image) string {
	return strings.Join([]string{i.Source.String(), i.Root.Digest.String(), strings.Join(i.Platforms, " "), i.MirrorPath(), strings.Join(i.NamedTags(), " "), i.Subject.String()}, "\n")
}

func byContent(images []oci.Image) map[string]bool {
	set := make(map[string]bool, len(images))
	for _, img := range images {
		set[content(img)] = true
	}
	return set
}

func without(images []oci.Image, set map[string]bool) []oci.Image {
	return slices.DeleteFunc(slices.Clone(images), func(i oci.Image) bool { return set[content(i)] })
}

// samePlace reports whether an image takes the place of another one: it has the same name,
// or, attached to something, the same tag there.
func samePlace(a, b oci.Image) bool {
	return a.Configured() == b.Configured() && a.Subject == b.Subject || a.Source.Tag != "" && a.Source.Repo() == b.Source.Repo() && a.Source.Tag == b.Source.Tag && a.Subject == b.Subject
}

// named is the image's reference, and, for an attachment, what it is attached to.
func named(i oci.Image) string {
	if i.Subject != "" {
		return fmt.Sprintf("%s, attached to %s", i.Source, i.Subject)
	}
	return i.Configured().String()
}

// change says in which way an image is another one now.
func change(before, now oci.Image) string {
	var list []string
	add := func(what, a, b string) {
		if a != b {
			list = append(list, fmt.Sprintf("%s%s -> %s", what, a, b))
		}
	}
	add("", before.Root.Digest.String(), now.Root.Digest.String())
	add("platforms ", strings.Join(before.Platforms, " "), strings.Join(now.Platforms, " "))
	add("path ", before.MirrorPath(), now.MirrorPath())
	if before.Root.Digest == now.Root.Digest || len(before.Tags)+len(now.Tags) > 0 {
		add("tags ", strings.Join(before.NamedTags(), " "), strings.Join(now.NamedTags(), " "))
	}
	if len(list) == 0 {
		list = append(list, fmt.Sprintf("%s -> %s", before.Source, now.Source))
	}
	return named(now) + ": " + strings.Join(list, ", ")
}
