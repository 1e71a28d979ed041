package emit

import "fmt"

// pageTagged lists images that rules by digest do not cover.
func (e *emission) pageTagged(p *page) {
	if len(e.tagged) == 0 {
		return
	}
	p.head("Images that are named by tag")
	p.text("The rules work only for pulls by digest. If a pod names one of these images by its tag, its node does not ask the mirror. Name the image by digest, or by its name in the mirror:")
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
			list = append(list, use)
		}
	}
	p.list(list)
}
