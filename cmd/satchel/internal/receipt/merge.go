package receipt

import (
	"cmp"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// Facts is what several receipts of one mirror say together. What one of them marks as
// pushed is pushed.
type Facts struct {
	list      []*Receipt // done ones, the newest first
	manifests map[digest.Digest]map[string]Mark
	blobs     map[Short][][]Place
	tags      map[tagKey]TagFact
	sources   map[string]map[string][]oci.Origin
}

type tagKey struct{ repo, tag string }

// TagFact is what the newest receipt that names a tag says of it.
type TagFact struct {
	Digest digest.Digest
	Mark   Mark     // pushed where any receipt says so of this tag
	By     *Receipt // its bundle, stream and sequence
}

// Merge takes receipts of one mirror together, in whatever order. Intents are left out:
// nobody saw what became of them.
func Merge(list ...*Receipt) *Facts {
	f := &Facts{manifests: map[digest.Digest]map[string]Mark{}, blobs: map[Short][][]Place{}, tags: map[tagKey]TagFact{}, sources: map[string]map[string][]oci.Origin{}}
	for _, r := range list {
		if r.State == Done {
			f.list = append(f.list, r)
		}
	}
	f.list = Newest(f.list)
	for _, r := range f.list {
		f.add(r)
	}
	return f
}

// Newest gives receipts in another order, the newest first: by the time at which their facts
// were seen, those of one bundle among themselves by their number in the mirror, as far as that
// is known, and those of one stream by sequence. Clocks go wrong, numbers do not. What a prune
// left is older than what it kept.
func Newest(list []*Receipt) []*Receipt {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *Receipt) int { return b.Time.Compare(a.Time) })
	list = within(list, func(r *Receipt) string { return r.Bundle }, func(r *Receipt) int { return r.number })
	list = within(list, func(r *Receipt) Stream { return r.Stream }, func(r *Receipt) int { return r.Sequence })
	slices.SortStableFunc(list, func(a, b *Receipt) int { return cmp.Compare(a.pruned(), b.pruned()) })
	return list
}

// within orders those of each group among themselves, the highest first, in the places that they
// have together. The zero value is no group.
func within[K comparable](list []*Receipt, group func(*Receipt) K, number func(*Receipt) int) []*Receipt {
	places := map[K][]int{}
	for i, r := range list {
		if key := group(r); key != *new(K) {
			places[key] = append(places[key], i)
		}
	}
	out := slices.Clone(list)
	for _, at := range places {
		order := slices.Clone(at)
		slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(number(list[j]), number(list[i])) })
		for k, i := range order {
			out[at[k]] = list[i]
		}
	}
	return out
}

func (f *Facts) add(r *Receipt) {
	for _, m := range r.Manifests {
		if f.manifests[m.Digest] == nil {
			f.manifests[m.Digest] = map[string]Mark{}
		}
		f.manifests[m.Digest][m.Repo] = f.manifests[m.Digest][m.Repo] || m.Mark
	}
	for _, b := range r.Blobs {
		f.blobs[b.Short] = append(f.blobs[b.Short], b.In)
	}
	for _, img := range r.Images {
		for _, tag := range img.Tags {
			key := tagKey{img.Repo, tag.Name}
			fact, known := f.tags[key]
			if !known {
				fact = TagFact{Digest: img.Digest, By: r}
			}
			fact.Mark = fact.Mark || tag.Mark
			f.tags[key] = fact
		}
	}
	for _, repo := range r.Repositories {
		if f.sources[repo.Name] == nil {
			f.sources[repo.Name] = map[string][]oci.Origin{}
		}
		for _, s := range repo.Sources {
			all := append(f.sources[repo.Name][s.Name], s.Origins...)
			slices.Sort(all)
			f.sources[repo.Name][s.Name] = slices.Compact(all)
		}
	}
}

// Receipts lists those that were merged, the newest first.
func (f *Facts) Receipts() []*Receipt { return f.list }

// Manifest lists the repositories that have a manifest, sorted; none: no receipt names it.
func (f *Facts) Manifest(d digest.Digest) []Place { return sorted(f.manifests[d]) }

// Blob lists the repositories that have a blob, sorted; none: no receipt names it.
func (f *Facts) Blob(d digest.Digest) []Place {
	in := map[string]Mark{}
	for _, places := range f.blobs[ShortOf(d)] {
		for _, p := range places {
			in[p.Repo] = in[p.Repo] || p.Mark
		}
	}
	return sorted(in)
}

func sorted(in map[string]Mark) []Place {
	if len(in) == 0 {
		return nil
	}
	list := make([]Place, 0, len(in))
	for repo, mark := range in {
		list = append(list, Place{repo, mark})
	}
	slices.SortFunc(list, comparePlaces)
	return list
}

// Tag says what a tag of a repository names, by the newest receipt that has it.
func (f *Facts) Tag(repo, tag string) (TagFact, bool) {
	fact, ok := f.tags[tagKey{repo, tag}]
	return fact, ok
}

// Repositories lists the repositories with all their sources, sorted.
func (f *Facts) Repositories() []Repository {
	r := &Receipt{}
	for name, sources := range f.sources {
		repo := Repository{Name: name}
		for source, origins := range sources {
			repo.Sources = append(repo.Sources, SourceRepository{source, origins})
		}
		r.Repositories = append(r.Repositories, repo)
	}
	r.Sort()
	return r.Repositories
}
