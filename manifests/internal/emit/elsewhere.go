package emit

import (
	"fmt"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// noteElsewhere says of which images that something may read by tag the tag is another's.
func (e *emission) noteElsewhere() {
	var names []string
	for _, list := range [][]oci.Image{e.tagged, e.graph} {
		for _, img := range list {
			for _, tag := range img.NamedTags() {
				if ref := e.site.Mirror.Repo(img).WithTag(tag); e.namesOther(ref) {
					names = append(names, ref.String())
				}
			}
		}
	}
	if len(names) > 0 {
		e.note("by tag the mirror gives other images than those of this bundle: %s; where %s names one of them, use the digest that is written there", text.Some(names, 3), fileApply)
	}
}

// namesOther reports whether a tag of the mirror is known to name something else.
func (e *emission) namesOther(ref oci.Ref) bool {
	_, is := e.site.Elsewhere[ref.String()]
	return is
}

// other says in a page what the tag of an image names, "" for one that names its image.
func (e *emission) other(img oci.Image, tag string) string {
	ref := e.repo(img).WithTag(tag)
	switch d, is := e.site.Elsewhere[e.site.Mirror.Repo(img).WithTag(tag).String()]; {
	case !is:
		return ""
	case d == "":
		return fmt.Sprintf("not `%s`: the mirror has no such tag", ref)
	default:
		return fmt.Sprintf("not `%s`: that tag names another image, `%s`", ref, d)
	}
}
