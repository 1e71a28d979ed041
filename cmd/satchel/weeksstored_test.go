package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stored is what the storage of docker-registry or distribution has, digests in hex.
type stored struct {
	manifests map[string]map[string]bool   // by repository
	tags      map[string]map[string]string // by repository
	blobs     map[string]bool
	bytes     int64
}

func newStored() *stored {
	return &stored{manifests: map[string]map[string]bool{}, tags: map[string]map[string]string{}, blobs: map[string]bool{}}
}

func (s *stored) manifest(repo, hex string) {
	if s.manifests[repo] == nil {
		s.manifests[repo] = map[string]bool{}
	}
	s.manifests[repo][hex] = true
}

func (s *stored) tag(repo, tag, hex string) {
	if s.tags[repo] == nil {
		s.tags[repo] = map[string]string{}
	}
	s.tags[repo][tag] = hex
}

// readStorage walks the files.
func readStorage(t testing.TB, dir string) *stored {
	t.Helper()
	s, top := newStored(), filepath.Join(dir, "docker/registry/v2")
	glob := func(pattern string) []string {
		list, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, blob := range glob(filepath.Join(top, "blobs/sha256/*/*/data")) {
		info, err := os.Stat(blob)
		if err != nil {
			t.Fatal(err)
		}
		s.blobs[filepath.Base(filepath.Dir(blob))] = true
		s.bytes += info.Size()
	}
	repos := filepath.Join(top, "repositories")
	for depth := "/*"; len(depth) < 12; depth += "/*" {
		for _, m := range glob(repos + depth + "/_manifests") {
			repo, err := filepath.Rel(repos, filepath.Dir(m))
			if err != nil {
				t.Fatal(err)
			}
			for _, link := range glob(filepath.Join(m, "revisions/sha256/*/link")) {
				s.manifest(repo, filepath.Base(filepath.Dir(link)))
			}
			for _, link := range glob(filepath.Join(m, "tags/*/current/link")) {
				s.tag(repo, filepath.Base(filepath.Dir(filepath.Dir(link))), strings.TrimPrefix(string(readFile(t, link)), "sha256:"))
			}
		}
	}
	return s
}

// difference says what another storage has that this one has not, and the other way round.
func (s *stored) difference(has *stored) string {
	var list []string
	compare := func(what string, want, has []string) {
		for _, name := range want {
			if !slices.Contains(has, name) {
				list = append(list, "it lacks "+what+" "+name)
			}
		}
		for _, name := range has {
			if !slices.Contains(want, name) {
				list = append(list, "it has "+what+" "+name)
			}
		}
	}
	repos := map[string]bool{}
	for _, m := range []*stored{s, has} {
		for repo := range m.manifests {
			repos[repo] = true
		}
		for repo := range m.tags {
			repos[repo] = true
		}
	}
	for _, repo := range keysOf(repos) {
		compare("the manifest "+repo, keysOf(s.manifests[repo]), keysOf(has.manifests[repo]))
		pairs := func(tags map[string]string) (list []string) {
			for tag, hex := range maps.All(tags) {
				list = append(list, tag+"="+hex)
			}
			return list
		}
		compare("the tag "+repo, pairs(s.tags[repo]), pairs(has.tags[repo]))
	}
	compare("the blob", keysOf(s.blobs), keysOf(has.blobs))
	if len(list) > 20 {
		list = append(list[:20], fmt.Sprintf("and %d more", len(list)-20))
	}
	return strings.Join(list, "\n")
}
