package emit

import "fmt"

// pageTagged lists what rules by digest do not reach.
func (e *emission) pageTagged(p *page) {
	if len(e.tagged) == 0 {
		return
	}
	p.head("Images that are named by tag")
	p.text("The rules are for pulls by digest. A pod that names one of these by its tag is not sent to the mirror: name it by digest, or by the mirror's name.")
	var list []string
	for _, img := range e.tagged {
		repo := e.site.Mirror.Repo(img)
		for _, tag := range img.MirrorTags() {
			name := img.Source
			if name.Digest != "" { // a pod names it by the tag, and its node knew the digest
				name = name.WithTag(tag)
			}
			list = append(list, fmt.Sprintf("`%s` is `%s`, or `%s`", name, repo.WithTag(tag), img.Source.WithDigest(img.Root.Digest)))
		}
	}
	p.list(list)
}
