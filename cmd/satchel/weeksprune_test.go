package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// prune deletes what no kept week needs, and no cluster that files describe: that goes, nothing
// else, and the space comes back. used is the week that the cluster is at; nil where there are
// no files.
func (s *weeksSite) prune(kept []*churnWeek, used *churnWeek) {
	s.t.Helper()
	before := readStorage(s.t, s.storage)
	args := []string{"prune", "--to", s.to(), "--tls-verify=false", "--keep", fmt.Sprint(len(kept))}
	if used == nil {
		args = append(args, "--no-cluster")
	} else {
		args = append(args, s.cluster(used)...)
		s.kept = append(s.kept, used.used())
	}
	if s.r.whole {
		s.run(append(args, "--dry-run")...).want(exitOK)
		if diff := before.difference(readStorage(s.t, s.storage)); diff != "" {
			s.t.Errorf("%s: --dry-run: %s", s.name, diff)
		}
	}
	done := s.run(append(args, "--yes")...).want(exitOK)
	s.t.Logf("%s\n%s%s", s.name, done.stdout, done.stderr)
	s.collect()
	s.kept, s.prunedAt = append(s.kept, kept...), s.newest
	s.check(kept)
	after := readStorage(s.t, s.storage)
	if after.bytes >= before.bytes {
		s.t.Errorf("%s: %d bytes before, %d after", s.name, before.bytes, after.bytes)
	}
	s.before, s.after = before.bytes, after.bytes
	if !s.r.whole {
		return
	}
	s.again(s.newest)
	s.run(append(args, "--yes")...).want(exitOK)
	s.collect() // it may have tried out what the registry deletes
	if diff := after.difference(readStorage(s.t, s.storage)); diff != "" {
		s.t.Errorf("%s: prune again: %s", s.name, diff)
	}
}

// used is what a cluster that stayed at this week uses and newer bundles do not have: the
// release, and the image that a pod got by its tag, with its signature.
func (w *churnWeek) used() *churnWeek {
	part := &churnWeek{number: w.number, signed: w.signed}
	for _, p := range w.images {
		if strings.HasPrefix(p.repo, "openshift/release") || p.repo == "acme/tool" {
			p.moving = ""
			part.images = append(part.images, p)
		}
	}
	return part
}

// cluster writes what oc get gives of a cluster at that week, with the flags that name it.
func (s *weeksSite) cluster(at *churnWeek) (flags []string) {
	s.t.Helper()
	find := func(repo string) string {
		for _, p := range at.images {
			if p.repo == repo {
				return p.source
			}
		}
		s.t.Fatalf("week %d has no %s", at.number, repo)
		return ""
	}
	for flag, text := range map[string]string{
		"cluster-version": "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nstatus:\n  desired: {version: " + at.version + ", image: " + find("openshift/release-images") + "}\n" +
			"  history: [{state: Completed, version: " + at.version + ", image: " + find("openshift/release-images") + "}]\n",
		"subscriptions": "apiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: lvms, namespace: storage}\nspec: {name: lvms-operator, channel: stable-4.16, source: redhat-operators, sourceNamespace: openshift-marketplace}\n" +
			"status: {installedCSV: lvms-operator.v" + at.version + ", currentCSV: lvms-operator.v" + at.version + "}\n",
		"from-pods": "apiVersion: v1\nkind: Pod\nmetadata: {name: tool, namespace: acme}\nspec: {containers: [{name: tool, image: 'quay.io/acme/tool:latest'}]}\n" +
			"status: {containerStatuses: [{name: tool, image: 'quay.io/acme/tool:latest', imageID: '" + find("acme/tool") + "'}]}\n",
	} {
		file := filepath.Join(s.dir, flag+".yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
		flags = append(flags, "--"+flag, file)
	}
	return flags
}

// leftTags adds the tags of older weeks on images that stay.
func (s *weeksSite) leftTags(want *stored) {
	for _, w := range s.r.weeks {
		for _, p := range w.images {
			if repo := "ocp/" + p.repo; s.arrived[w.number] && want.manifests[repo][p.root.Digest.Encoded()] {
				want.tag(repo, p.fixed, p.root.Digest.Encoded())
			}
		}
	}
}

// noted adds a referrer, and the index that lists it.
func (s *weeksSite) noted(want *stored, img oci.Image) {
	s.t.Helper()
	if img.Root.Digest == "" {
		return
	}
	repo, tag := "ocp/"+img.Source.Repository, "sha256-"+img.Subject.Encoded()
	s.reach(want, repo, img.Root)
	from := mirroredRepo{s.host, repo}
	list := from.root(s.t, tag)
	if is := from.images(s.t, list); len(is) != 1 || is[0].Digest != img.Root.Digest {
		s.t.Errorf("%s: %s lists %v, not %s", s.name, tag, is, img.Root.Digest)
	}
	want.tag(repo, tag, list.Digest.Encoded())
	want.manifest(repo, list.Digest.Encoded())
	want.blobs[list.Digest.Encoded()] = true
}
