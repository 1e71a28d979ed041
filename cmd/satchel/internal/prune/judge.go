package prune

import (
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
)

// judgement is what may go of a repository, as it was looked at.
type judgement struct {
	v    *view
	uses Uses // may be nil

	candidates map[digest.Digest]bool            // all of the repository
	going      map[digest.Digest]bool            // candidates, and lists of referrers
	lists      map[digest.Digest]digest.Digest   // lists of referrers that go with a candidate, and that
	parents    map[digest.Digest][]digest.Digest // indexes that have it
	subjects   map[digest.Digest][]digest.Digest // what it belongs to
	why        map[digest.Digest]string          // of those that stay
}

// judge decides what goes of these items, all candidates of a repository that are not deleted; it
// begins with all of them, but those that the registry refused to delete, and takes out what must
// stay, until nothing changes.
func (v *view) judge(items []*Item, uses Uses, candidates, refused map[digest.Digest]bool) *judgement {
	j := &judgement{
		v: v, uses: uses, candidates: candidates, going: map[digest.Digest]bool{}, lists: map[digest.Digest]digest.Digest{},
		parents: map[digest.Digest][]digest.Digest{}, subjects: map[digest.Digest][]digest.Digest{}, why: map[digest.Digest]string{},
	}
	for _, item := range items {
		if v.there(item.Digest) {
			j.going[item.Digest] = true
		}
	}
	j.relate(refused)
	for changed := true; changed; {
		changed = false
		for _, d := range sortedKeys(j.going) {
			if why := j.stays(d); why != "" {
				delete(j.going, d)
				j.why[d], changed = why, true
			}
		}
	}
	return j
}

// relate finds out what belongs to what.
func (j *judgement) relate(refused map[digest.Digest]bool) {
	for tag, d := range j.v.tags {
		subject, list := attachedBy(tag)
		switch {
		case subject == "":
		case !list:
			j.subjects[d] = append(j.subjects[d], subject)
		case !refused[d] && j.isList(tag, d, subject):
			j.lists[d] = subject
			j.going[d] = true
		}
	}
	for d, n := range j.v.nodes {
		if !n.there {
			continue
		}
		for _, c := range n.children {
			j.parents[c] = append(j.parents[c], d)
		}
		for _, s := range []digest.Digest{n.subject, j.v.f.subjects[thing{j.v.repo, d}]} {
			if s != "" {
				j.subjects[d] = append(j.subjects[d], s)
			}
		}
	}
	for list, subject := range j.lists {
		j.subjects[list] = append(j.subjects[list], subject)
		for _, c := range j.v.nodes[list].children {
			j.subjects[c] = append(j.subjects[c], subject)
		}
	}
}

// isList reports whether a tag leads to a list of what satchel attached to a candidate, and to
// nothing of anybody else.
func (j *judgement) isList(tag string, d, subject digest.Digest) bool {
	n := j.v.nodes[d]
	if n == nil || !n.there || len(n.children) == 0 || !j.candidates[subject] || j.candidates[d] {
		return false
	}
	ours := func(c digest.Digest) bool { return j.candidates[c] }
	return len(j.v.named[d]) == 1 && j.v.named[d][0] == tag && !slices.ContainsFunc(n.children, func(c digest.Digest) bool { return !ours(c) })
}

// present reports whether something is there and stays there.
func (j *judgement) present(d digest.Digest) bool { return j.v.there(d) && !j.going[d] }

// stays says why something must stay, "" if nothing stands against that it goes.
func (j *judgement) stays(d digest.Digest) string {
	v := j.v
	_, list := j.lists[d]
	for _, tag := range v.named[d] {
		if why := j.tagStays(tag, d); why != "" && !list {
			return why
		}
	}
	for _, p := range j.parents[d] {
		if j.present(p) && p != d {
			return fmt.Sprintf("an index that stays has it: %s", v.tagged(p))
		}
	}
	for _, s := range j.subjects[d] {
		if j.present(s) && s != d {
			return fmt.Sprintf("it belongs to an image that stays: %s", v.tagged(s))
		}
	}
	for _, c := range v.nodes[d].children {
		if !j.mayLose(c, d) || list && j.present(c) {
			return fmt.Sprintf("an image of it has no other name: %s", short(c))
		}
	}
	for _, r := range v.nodes[d].referrers {
		if !j.going[r] && r != d && (v.nodes[r] == nil || v.there(r)) {
			return fmt.Sprintf("something that stays is attached to it, and the registry may remove that with it: %s", short(r))
		}
	}
	return ""
}

// tagStays says why a tag, and so what it names, must stay; "" for one that may go.
func (j *judgement) tagStays(tag string, d digest.Digest) string {
	f, repo := j.v.f, j.v.repo
	switch {
	case !f.own(repo, tag, d):
		return fmt.Sprintf("its tag %s is not satchel's", tag)
	case f.needTags[receipt.Tagged{Repo: repo, Tag: tag}]:
		return fmt.Sprintf("a bundle that is kept needs its tag %s", tag)
	case j.uses != nil:
		return j.uses.Tag(repo, tag)
	}
	return ""
}

// mayLose reports whether an index may go without something that it has: that is not there, goes
// too, or keeps a name of its own.
func (j *judgement) mayLose(c, index digest.Digest) bool {
	if j.going[c] || oci.CheckDigest(c) != nil || len(j.v.named[c]) > 0 {
		return true
	}
	if j.v.nodes[c] != nil && !j.v.nodes[c].there {
		return true
	}
	if slices.ContainsFunc(j.parents[c], func(p digest.Digest) bool { return p != index && j.present(p) && len(j.v.named[p]) > 0 }) {
		return true
	}
	return slices.ContainsFunc(j.subjects[c], func(s digest.Digest) bool { return j.present(s) })
}

// ready lists what may be deleted now, as all that has it, or that it belongs to, is gone: of what
// waits for each other, the indexes. The order is always the same.
func (j *judgement) ready() (list []digest.Digest) {
	waits := func(of []digest.Digest, d digest.Digest) bool {
		return slices.ContainsFunc(of, func(o digest.Digest) bool { return o != d && j.going[o] && j.v.there(o) })
	}
	all := sortedKeys(j.going)
	for _, subjects := range []bool{true, false} {
		for _, d := range all {
			if !waits(j.parents[d], d) && !(subjects && waits(j.subjects[d], d)) {
				list = append(list, d)
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return all
}

// spare lists the tags that may go from a manifest that stays: satchel's own, where somebody
// else's tag, or an index that has a tag, still leads to it.
func (j *judgement) spare(d digest.Digest) (list []string) {
	if slices.ContainsFunc(j.subjects[d], j.present) { // a tag may be what attaches it
		return nil
	}
	held := slices.ContainsFunc(j.parents[d], func(p digest.Digest) bool { return p != d && j.present(p) && len(j.v.named[p]) > 0 })
	for _, tag := range j.v.on(d) {
		switch {
		case j.tagStays(tag, d) == "":
			list = append(list, tag)
		default:
			held = true
		}
	}
	if !held {
		return nil
	}
	return list
}

func sortedKeys(m map[digest.Digest]bool) []digest.Digest { return slices.Sorted(maps.Keys(m)) }
