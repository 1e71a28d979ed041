package pin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// part is what an image brings to a repository of the mirror.
type part struct {
	place  string
	digest digest.Digest
}

// ShareParts has images leave out nothing that others bring to the same repository of
// the mirror: a registry would see a sparse index for nothing.
func ShareParts(list []Found) {
	by := map[part]oci.Ref{} // the first image that brings it
	bring := func(f *Found, d digest.Digest) {
		if at := (part{f.Image.MirrorPath(), d}); by[at] == (oci.Ref{}) {
			by[at] = f.Image.Source
		}
	}
	for i := range list {
		f := &list[i]
		if f.Err != nil {
			continue
		}
		bring(f, f.Image.Root.Digest)
		if f.parts != nil {
			for _, d := range f.parts.Selected() {
				bring(f, d)
			}
		}
	}
	for more := true; more; { // what one carries along another may then have too
		more = false
		for i := range list {
			f := &list[i]
			left := len(f.Image.Omitted)
			if f.Err != nil || left == 0 {
				continue
			}
			if f.along(by); len(f.Image.Omitted) < left {
				more = true
				for _, d := range f.parts.Selected() {
					bring(f, d)
				}
			}
		}
	}
}

// choosy reports whether platforms are chosen of some image.
func choosy(list []Found) bool {
	return slices.ContainsFunc(list, func(f Found) bool { return f.only != nil })
}

// NoteLacking says which images lack platforms that were asked for, all or some.
func NoteLacking(list []Found, note func(string)) {
	var alone, less []string
	for _, f := range list {
		switch name := f.Image.Source.String(); {
		case f.Err != nil || len(f.lacks) == 0:
		case len(f.lacks) == len(f.only):
			alone = append(alone, name+" ("+f.Image.Platforms[0]+")")
		default:
			less = append(less, name+" (not "+strings.Join(f.lacks, ", ")+")")
		}
	}
	if alone = text.Sorted(alone); len(alone) > 0 {
		note(fmt.Sprintf("platforms: %s only for another platform, and carried for that one: %s", text.Count(len(alone), "image is", "images are"), text.ASCII(text.Some(alone, 3))))
	}
	if less = text.Sorted(less); len(less) > 0 {
		note(fmt.Sprintf("platforms: %s not for all that are asked for: %s", text.Count(len(less), "image is", "images are"), text.ASCII(text.Some(less, 3))))
	}
}
