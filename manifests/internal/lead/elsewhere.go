package lead

import (
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// NoteElsewhere says of which images that something may read by tag the tag is another's.
func (l *Lead) NoteElsewhere() {
	var names []string
	for _, list := range [][]oci.Image{l.Tagged, l.Graph} {
		for _, img := range list {
			for _, tag := range img.NamedTags() {
				if ref := l.Site.Mirror.Repo(img).WithTag(tag); l.namesOther(ref) {
					names = append(names, ref.String())
				}
			}
		}
	}
	if len(names) > 0 {
		l.Note("by tag the mirror gives other images than those of this bundle: %s; where %s names one of them, use the digest that is written there", text.Some(names, 3), handover.FileApply)
	}
}

// namesOther reports whether a tag of the mirror is known to name something else.
func (l *Lead) namesOther(ref oci.Ref) bool {
	_, is := l.Site.Elsewhere[ref.String()]
	return is
}

// other says in a page what the tag of an image names, "" for one that names its image.
func (l *Lead) other(img oci.Image, tag string) string {
	ref := l.Repo(img).WithTag(tag)
	switch d, is := l.Site.Elsewhere[l.Site.Mirror.Repo(img).WithTag(tag).String()]; {
	case !is:
		return ""
	case d == "":
		return fmt.Sprintf("not `%s`: the mirror has no such tag", ref)
	default:
		return fmt.Sprintf("not `%s`: that tag names another image, `%s`", ref, d)
	}
}
