package emit

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// noteTagged says that some images have no rule for the name that they are configured by.
func (e *emission) noteTagged() {
	n := text.Count(len(e.tagged), "image is", "images are")
	switch {
	case len(e.tagged) == 0:
	case e.kind == rules.DigestMirrors && e.site.Cluster.Applications() && len(e.byTag()) == 0:
		e.note("%s named only by tag, but nothing in the cluster names them so: there are no rules for pulls by tag", n)
	case e.kind == rules.DigestMirrors:
		e.note("%s named only by tag: rules for pulls by tag are in files of their own, because they drain the nodes; %s shows whether they are needed", n, fileApply)
	default:
		e.note("rules work only for pulls by digest, and %s named only by tag: the end of %s shows what to do", n, fileApply)
	}
}

// tagUsers names one that uses an image by its tag in the cluster, "" for none.
func (e *emission) tagUsers(img oci.Image) string {
	if e.site.Cluster == nil {
		return ""
	}
	for _, use := range e.site.Cluster.Images {
		ref, err := oci.ParseRef(use.Image)
		if err == nil && ref.Digest == "" && ref.Name() == img.Source.Name() && slices.Contains(img.NamedTags(), cmp.Or(ref.Tag, "latest")) {
			return use.Kind + " " + use.Namespace + "/" + use.Name
		}
	}
	return ""
}

// pageTagged lists images that rules by digest do not cover.
func (e *emission) pageTagged(p *page.Page) {
	if len(e.tagged) == 0 {
		return
	}
	p.Head("Images that are named by tag")
	if len(e.itms) > 0 {
		p.Text("The rules for pulls by digest do not cover these. Nodes find them by their tags with the rules for tags (%s). Or name the image by digest, or by its name in the mirror:", text.Some(e.tagFiles(), 3))
	} else {
		p.Text("The rules work only for pulls by digest. If a pod names one of these images by its tag, its node does not ask the mirror. Name the image by digest, or by its name in the mirror:")
	}
	var list []string
	for _, img := range e.tagged {
		repo := e.repo(img)
		for _, tag := range img.NamedTags() {
			name := img.Source
			if name.Digest != "" { // a pod names it by the tag, and its node had resolved the digest
				name = name.WithTag(tag)
			}
			use := fmt.Sprintf("`%s`: use `%s` or `%s`", name, repo.WithTag(tag), img.Source.WithDigest(img.Root.Digest))
			if other := e.other(img, tag); other != "" {
				use = fmt.Sprintf("`%s`: use `%s` (%s)", name, img.Source.WithDigest(img.Root.Digest), other)
			}
			if by := e.tagUsers(img); by != "" {
				use += " (named so by " + page.Markdown(by) + ")"
			}
			list = append(list, use)
		}
	}
	p.List(list)
}

// tagFiles are the files with rules for pulls by tag.
func (e *emission) tagFiles() (list []string) {
	for _, o := range e.itms {
		list = append(list, o.file)
	}
	return list
}
