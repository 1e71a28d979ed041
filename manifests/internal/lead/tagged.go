package lead

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// NoteTagged says that some images have no rule for the name that they are configured by.
func (l *Lead) NoteTagged() {
	n := text.Count(len(l.Tagged), "image is", "images are")
	switch {
	case len(l.Tagged) == 0:
	case l.kind == rules.DigestMirrors && l.Site.Cluster.Applications() && len(l.byTag()) == 0:
		l.Note("%s named only by tag, but nothing in the cluster names them so: there are no rules for pulls by tag", n)
	case l.kind == rules.DigestMirrors:
		l.Note("%s named only by tag: rules for pulls by tag are in files of their own, because they drain the nodes; %s shows whether they are needed", n, handover.FileApply)
	default:
		l.Note("rules work only for pulls by digest, and %s named only by tag: the end of %s shows what to do", n, handover.FileApply)
	}
}

// tagUsers names one that uses an image by its tag in the cluster, "" for none.
func (l *Lead) tagUsers(img oci.Image) string {
	if l.Site.Cluster == nil {
		return ""
	}
	for _, use := range l.Site.Cluster.Images {
		ref, err := oci.ParseRef(use.Image)
		if err == nil && ref.Digest == "" && ref.Name() == img.Source.Name() && slices.Contains(img.NamedTags(), cmp.Or(ref.Tag, "latest")) {
			return use.Kind + " " + use.Namespace + "/" + use.Name
		}
	}
	return ""
}

// PageTagged lists images that rules by digest do not cover.
func (l *Lead) PageTagged(p *page.Page) {
	if len(l.Tagged) == 0 {
		return
	}
	p.Head("Images that are named by tag")
	switch {
	case len(l.ITMSs) > 0:
		p.Text("The rules for pulls by digest do not cover these. Nodes find them by their tags with the rules for tags (%s). Or name the image by digest, or by its name in the mirror:", text.Some(l.tagFiles(), 3))
	case l.Hosted(): // openshift/hypershift, nodepool/config.go and admissionpolicies.go: it takes no ImageTagMirrorSet
		p.Text("Hosted clusters have rules for pulls by digest alone: a HostedCluster and its NodePools take none for tags, and an ImageTagMirrorSet in the cluster is refused or does nothing. If a pod names one of these images by its tag, its node does not ask the mirror. Name the image by digest, or by its name in the mirror:")
	default:
		p.Text("The rules work only for pulls by digest. If a pod names one of these images by its tag, its node does not ask the mirror. Name the image by digest, or by its name in the mirror:")
	}
	var list []string
	for _, img := range l.Tagged {
		repo := l.Repo(img)
		for _, tag := range img.NamedTags() {
			name := img.Source
			if name.Digest != "" { // a pod names it by the tag, and its node had resolved the digest
				name = name.WithTag(tag)
			}
			use := fmt.Sprintf("`%s`: use `%s` or `%s`", name, repo.WithTag(tag), img.Source.WithDigest(img.Root.Digest))
			if other := l.other(img, tag); other != "" {
				use = fmt.Sprintf("`%s`: use `%s` (%s)", name, img.Source.WithDigest(img.Root.Digest), other)
			}
			if by := l.tagUsers(img); by != "" {
				use += " (named so by " + page.Markdown(by) + ")"
			}
			list = append(list, use)
		}
	}
	p.List(list)
}

// tagFiles are the files with rules for pulls by tag.
func (l *Lead) tagFiles() (list []string) {
	for _, o := range l.ITMSs {
		list = append(list, o.File)
	}
	return list
}
