package prune_test

import (
	"context"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestPrune deletes what an older bundle alone brought, in every registry; what the newest one
// needs still pulls after the registry has collected garbage.
func TestPrune(t *testing.T) {
	t.Parallel()
	v3, v2 := registrytest.StartV3(t, false, "", ""), registrytest.Start(t)
	for name, site := range map[string]struct {
		host    string
		collect func()
	}{
		"distribution 3":      {v3.Host, func() { v3.Collect(t, true) }},
		"docker-registry 2.8": {v2.Host, func() { v2.Collect(t, false) }},
		"olareg":              {registrytest.StartOlareg(t).Host, func() {}},
	} {
		s := newSite(t, site.host, 1)
		old, kept, moved := s.image(), s.image(), s.image()
		list := s.Index(false, s.image(), s.image())
		parts, err := oci.ReadChildren(t.Context(), s.Content, list)
		if err != nil {
			t.Fatal(err)
		}
		s.bring(1, from("app", old, "latest"), from("app", kept, "2"), from("list", list, "1"))
		s.bring(2, from("app", moved, "latest"), from("app", kept, "2"))
		plan := s.prune(s.options(1))
		s.want(false, s.ref("app").WithDigest(old.Digest), s.ref("list").WithDigest(list.Digest), s.ref("list").WithDigest(parts[0].Digest), s.ref("list").WithDigest(parts[1].Digest),
			s.ref("app").WithTag(oci.DigestTag(old.Digest)), s.ref("list").WithTag("1"))
		s.want(true, s.ref("app").WithTag("latest"), s.ref("app").WithTag("2"))
		if len(plan.Kept) != 1 || len(plan.Dropped) != 1 || plan.Needed != 1 || plan.Count("deleted") != 4 || plan.Receipt == "" {
			t.Errorf("%s: %+v", name, plan)
		}
		site.collect()
		for _, root := range []oci.Descriptor{kept, moved} {
			s.pulls("app", root)
		}
		again := s.prune(s.options(1))
		if !again.Idle() || again.Receipt != "" {
			t.Errorf("%s: the second time: %+v", name, again)
		}
		k := s.keeper()
		h, err := k.History(t.Context())
		if err != nil || len(h.Done) != 2 || len(h.Replaced) != 0 {
			t.Errorf("%s: %d receipts are left, %d replaced: %v", name, len(h.Done), len(h.Replaced), err)
		}
	}
}

// TestShared leaves alone all that other people have, in a mirror that they share.
func TestShared(t *testing.T) {
	t.Parallel()
	v3 := registrytest.StartV3(t, false, "", "")
	s := newSite(t, v3.Host, 2)
	tagged, plain, signed := s.image(), s.image(), s.image()
	list := s.Index(false, s.image(), s.image())
	parts, err := oci.ReadChildren(t.Context(), s.Content, list)
	if err != nil {
		t.Fatal(err)
	}
	theirs := s.image()
	s.push("app", theirs, "theirs")
	s.bring(1, from("app", tagged, "1"), from("app", plain, "2"), from("app", signed, "3"), from("list", list, "1"))
	s.push("app", tagged, "prod")           // a tag of theirs on ours
	over := s.Index(true, parts[0], theirs) // an index of theirs over a part of ours
	s.push("list", over, "over")            //
	note := s.Artifact("text/spam", s.Blob([]byte("a signature"), "text/plain"))
	s.push("app", note, "sha256-"+signed.Digest.Encoded()+".sig") // a signature of theirs on ours
	s.bring(2, from("other", s.image(), "1"))
	was := files(t, v3.Dir)
	s.prune(s.options(1))
	s.want(true, s.ref("app").WithTag("prod"), s.ref("app").WithTag("theirs"), s.ref("list").WithTag("over"), s.ref("list").WithDigest(parts[0].Digest),
		s.ref("app").WithTag("sha256-"+signed.Digest.Encoded()+".sig"), s.ref("other").WithTag("1"))
	s.want(false, s.ref("app").WithDigest(plain.Digest), s.ref("app").WithDigest(signed.Digest), s.ref("list").WithDigest(list.Digest), s.ref("list").WithDigest(parts[1].Digest),
		s.ref("app").WithTag("1"), s.ref("app").WithTag(oci.DigestTag(tagged.Digest)))
	now := files(t, v3.Dir)
	gone := map[string]bool{"in/app:1": true, "in/app:2": true, "in/app:3": true, "in/list:1": true}
	for repo, list := range map[string][]oci.Descriptor{"app": {tagged, plain, signed}, "list": {list}} {
		for _, d := range list {
			gone["in/"+repo+":"+oci.DigestTag(d.Digest)] = true
		}
	}
	for _, d := range []oci.Descriptor{plain, signed, list, parts[1]} {
		gone[d.Digest.Encoded()] = true
	}
	compare(t, was, now, gone)
	v3.Collect(t, true)
	for _, root := range []oci.Descriptor{tagged, theirs, note} {
		s.pulls("app", root)
	}
	s.pulls("list", over)
	s.pulls("list", parts[0])
}

// TestStaleTags takes tags that only older bundles gave from what a kept bundle needs, and leaves
// those that somebody uses, or has set.
func TestStaleTags(t *testing.T) {
	t.Parallel()
	for host, alone := range map[string]bool{registrytest.StartV3(t, false, "", "").Host: true, registrytest.Start(t).Host: false} {
		s := newSite(t, host, 9)
		both := s.image()
		s.push("app", both, "theirs")
		if err := s.mirror().Delete(t.Context(), s.ref("app").WithDigest(both.Digest)); err != nil {
			t.Fatal(err)
		}
		s.bring(1, from("app", both, "1.0", "used", "again"))
		s.push("app", both, "theirs")
		s.bring(2, from("app", both, "1.1", "again", "theirs"))
		o := s.options(1)
		o.InUse = func(context.Context, []*receipt.Receipt) (prune.Uses, error) {
			return uses{nil, map[string]string{"in/app:used": "pod a/b"}}, nil
		}
		plan := s.prune(o)
		if len(plan.Tags) != 1 || plan.Tags[0].Tag != "1.0" || plan.Tags[0].Deleted != alone || plan.Untagged() != 1 && alone {
			t.Errorf("%+v", plan)
		}
		s.want(true, s.ref("app").WithTag("1.1"), s.ref("app").WithTag("used"), s.ref("app").WithTag("again"), s.ref("app").WithTag("theirs"), s.ref("app").WithTag(oci.DigestTag(both.Digest)))
		s.want(!alone, s.ref("app").WithTag("1.0"))
		s.pulls("app", both)
	}
}
