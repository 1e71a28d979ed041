package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// taggedPlace is a repository of a mirror, with the tags that receipts name there.
type taggedPlace struct {
	at   oci.Ref
	tags map[string]tagged
}

// tagged is the image of a tag.
type tagged struct {
	place
	attached bool
}

// tags looks whether the tags are there that receipts name, one request for each repository: registries
// collect what has none, and signatures are found by theirs alone. What is wrong with a tag that nodes pull by
// was found already.
func (c *checking) tags(ctx context.Context) error {
	if c.Offline {
		return nil
	}
	var mu sync.Mutex
	failed := map[string][]string{} // repositories, by why
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, c.Parallel))
	for _, p := range c.tagged() {
		g.Go(func() error {
			has, err := c.node.Tags(gctx, transport.NodePlace{Ref: p.at, Insecure: c.insecure(p.at)})
			switch {
			case gctx.Err() != nil:
				return gctx.Err()
			case err != nil && transport.NodeLacks(err):
			case err != nil:
				_, words := transport.NodeTrouble(err)
				mu.Lock()
				defer mu.Unlock()
				failed[words] = append(failed[words], p.at.Name())
				return nil
			}
			c.lacking(p, has)
			return nil
		})
	}
	err := g.Wait()
	for _, words := range slices.Sorted(maps.Keys(failed)) {
		repos := text.Sorted(failed[words])
		c.note(fmt.Sprintf("the tags of %s (%s): %s", text.Count(len(repos), "repository", "repositories"), text.Some(repos, 3), words))
	}
	return err
}

// tagged lists the repositories, sorted.
func (c *checking) tagged() (list []taggedPlace) {
	by := map[string]taggedPlace{}
	for _, r := range c.Receipts {
		base := c.address(r.Mirror)
		for _, img := range r.Images {
			at, err := oci.ParseRef(base + within(r.Mirror, img.Repo) + "@" + img.Digest.String())
			if err != nil {
				continue
			}
			at = at.Repo()
			p, known := by[at.Name()]
			if !known {
				p = taggedPlace{at, map[string]tagged{}}
				by[at.Name()] = p
			}
			for _, tag := range img.Tags {
				if _, newer := p.tags[tag.Name]; !newer {
					p.tags[tag.Name] = tagged{place{r.Mirror, img.Repo, img.Digest, whyOf(img, r)}, img.Subject != ""}
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		list = append(list, by[name])
	}
	return list
}

// insecure reports whether nodes ask a registry without looking at certificates.
func (c *checking) insecure(at oci.Ref) bool {
	route, err := c.node.Route(at.WithTag("latest"))
	return err == nil && len(route.Places) > 0 && route.Places[len(route.Places)-1].Insecure
}

// lacking adds findings for the tags that are not there, unless the image of one was not there itself.
func (c *checking) lacking(p taggedPlace, has []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	there := map[string]bool{}
	for _, tag := range has {
		there[tag] = true
	}
	for _, tag := range slices.Sorted(maps.Keys(p.tags)) {
		img := p.tags[tag]
		if there[tag] {
			continue
		}
		if c.said == nil {
			c.said = c.told()
		}
		name := p.at.WithTag(tag).String()
		if c.said[name] || c.said[string(img.digest)] {
			continue
		}
		f := Finding{Kind: Tag, Image: name, Why: img.why, Wrong: fmt.Sprintf("this tag of %s is not there", img.digest), Do: "set the tag again: satchel unpack of the bundle that has it"}
		switch {
		case img.attached:
			f.Kind, f.Wrong = Attachment, fmt.Sprintf("this tag is not there, and what is attached to an image is found by it alone; it is that of %s", img.digest)
		case strings.HasPrefix(tag, fixedPrefix):
			f.Wrong = fmt.Sprintf("this tag of %s is not there: it keeps the registry from deleting the image as one without a tag", img.digest)
		}
		c.report.add(f)
	}
}

// told are the digests and names that findings of images say something of, but for names by tag that no rule
// covers.
func (c *checking) told() map[string]bool {
	said := map[string]bool{}
	for _, q := range c.asked {
		if q.image == nil {
			continue
		}
		for _, f := range q.image.findings {
			if f.Kind == ByTag {
				continue
			}
			for _, word := range strings.Fields(f.Image + " " + f.Wrong) {
				word = strings.Trim(word, "(),;:")
				said[word] = true
				if i := strings.IndexByte(word, '@'); i >= 0 {
					said[word[i+1:]] = true
				}
			}
		}
	}
	return said
}
