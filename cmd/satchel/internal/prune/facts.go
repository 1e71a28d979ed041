package prune

import (
	"cmp"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
)

// facts are what the receipts say together.
type facts struct {
	needs    map[thing]bool             // by a kept receipt, or by one that nobody confirmed
	needTags map[receipt.Tagged]bool    // the same
	tags     map[receipt.Tagged]tagFact // by the newest receipt that names the tag, of those that count
	given    map[thing][]string         // tags that receipts which count give a manifest
	subjects map[thing]digest.Digest    // of what is attached
	images   map[digest.Digest]bool     // manifests that are no index
	indexes  map[string][]digest.Digest // by repository
	roots    map[thing]bool             // what a bundle carried for itself
}

// tagFact is what a tag named by satchel's doing.
type tagFact struct {
	d      digest.Digest
	pushed bool // satchel set it so
}

// learn reads all receipts.
func learn(s *sources) *facts {
	f := &facts{
		needs: map[thing]bool{}, needTags: map[receipt.Tagged]bool{}, tags: map[receipt.Tagged]tagFact{}, subjects: map[thing]digest.Digest{},
		given: map[thing][]string{}, images: map[digest.Digest]bool{}, indexes: map[string][]digest.Digest{}, roots: map[thing]bool{},
	}
	for _, r := range slices.Concat(s.kept, s.others) {
		for _, m := range r.Manifests {
			f.needs[thing{m.Repo, m.Digest}] = true
		}
		for _, img := range r.Images {
			for _, tag := range img.Tags {
				f.needTags[receipt.Tagged{Repo: img.Repo, Tag: tag.Name}] = true
			}
		}
	}
	for _, r := range receipt.Newest(s.all) {
		f.add(r, true)
	}
	for _, r := range s.others { // they have more stay, and nothing go
		f.add(r, false)
	}
	for repo := range f.indexes {
		slices.Sort(f.indexes[repo])
		f.indexes[repo] = slices.Compact(f.indexes[repo])
	}
	return f
}

// add adds what a receipt says. What it calls an image is not read, and a tag that it set may go:
// that is believed only of a receipt that counts.
func (f *facts) add(r *receipt.Receipt, counts bool) {
	for _, m := range r.Manifests {
		if oci.IsIndex(m.MediaType) {
			f.indexes[m.Repo] = append(f.indexes[m.Repo], m.Digest)
		} else if counts {
			f.images[m.Digest] = true
		}
	}
	for _, img := range r.Images {
		f.roots[thing{img.Repo, img.Digest}] = true
		if img.Subject != "" {
			f.subjects[thing{img.Repo, img.Digest}] = img.Subject
		}
		if !counts {
			continue
		}
		for _, tag := range img.Tags {
			f.given[thing{img.Repo, img.Digest}] = append(f.given[thing{img.Repo, img.Digest}], tag.Name)
			key := receipt.Tagged{Repo: img.Repo, Tag: tag.Name}
			fact, known := f.tags[key]
			if !known {
				fact.d = img.Digest
			}
			fact.pushed = fact.pushed || fact.d == img.Digest && tag.Mark == receipt.Pushed
			f.tags[key] = fact
		}
	}
}

// own reports whether a tag that names a manifest now is satchel's: by a receipt, or because it
// has the manifest's digest in its name.
func (f *facts) own(repo, tag string, d digest.Digest) bool {
	fact := f.tags[receipt.Tagged{Repo: repo, Tag: tag}]
	return tag == oci.DigestTag(d) || fact.d == d && fact.pushed
}

// givenTo lists the tags that receipts give an item.
func (f *facts) givenTo(item *Item) (list []string) {
	for _, tag := range f.given[thing{item.Repository, item.Digest}] {
		if f.own(item.Repository, tag, item.Digest) {
			list = append(list, tag)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// candidates lists what dropped bundles brought and no kept one needs, and counts what one needs.
func candidates(s *sources, f *facts) (list []*Item, needed int) {
	items := map[thing]*Item{}
	counted := map[thing]bool{}
	for _, r := range s.dropped {
		for _, m := range r.Manifests {
			key := thing{m.Repo, m.Digest}
			switch {
			case m.Mark != receipt.Pushed:
			case f.needs[key]:
				counted[key] = true
			case items[key] == nil:
				items[key] = &Item{Repository: m.Repo, Digest: m.Digest, Size: m.Size, State: Goes, Bundles: []string{}, part: !f.roots[key]}
				list = append(list, items[key])
			}
		}
	}
	for _, r := range s.dropped { // also those that found it there
		for _, m := range r.Manifests {
			if item := items[thing{m.Repo, m.Digest}]; item != nil && r.From != receipt.Pruned && !slices.Contains(item.Bundles, r.Bundle) {
				item.Bundles = append(item.Bundles, r.Bundle)
			}
		}
	}
	slices.SortFunc(list, func(a, b *Item) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Digest, b.Digest))
	})
	return list, len(counted)
}

// freed is how many bytes of blobs only dropped bundles need.
func freed(s *sources) (n int64) {
	needed, counted := map[receipt.Short]bool{}, map[receipt.Short]bool{}
	for _, r := range slices.Concat(s.kept, s.others) {
		for _, b := range r.Blobs {
			needed[b.Short] = true
		}
	}
	for _, r := range s.dropped {
		for _, b := range r.Blobs {
			pushed := slices.ContainsFunc(b.In, func(p receipt.Place) bool { return p.Mark == receipt.Pushed })
			if pushed && !needed[b.Short] && !counted[b.Short] {
				counted[b.Short] = true
				n += b.Size
			}
		}
	}
	return n
}
