package oci

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Mirror is the rule that gives an image its place in the mirror registry: the
// path that the inventory says, else its source's path without the host, below
// the namespace.
type Mirror struct {
	Host      string // host[:port]
	Namespace string // path that comes before every repository; may be empty
	// MaxNestedPaths joins what goes beyond that many path components by
	// hyphens, for registries that limit depth; 0 is no limit.
	MaxNestedPaths int
	// Shared is a repository that has the images of several paths, as some tools
	// keep them; the limit is not for it. Zero: there is none.
	Shared Shared

	// other is the mirror behind this address; nil where this is the mirror itself.
	other *Mirror
}

// Shared is a repository of a mirror that has the images of several paths.
type Shared struct {
	Repository string    // whole, below the host
	Paths      [2]string // as inventories have them
}

// has reports whether the repository has the images of a path.
func (s Shared) has(path string) bool {
	return s.Repository != "" && (path == s.Paths[0] || path == s.Paths[1])
}

// ParseMirror reads HOST[:PORT][/NAMESPACE]. The transport that other tools want before
// it, docker://, may be there.
func ParseMirror(s string) (Mirror, error) {
	s = strings.TrimPrefix(s, "docker://")
	host, ns, _ := strings.Cut(s, "/")
	ns = strings.TrimSuffix(ns, "/")
	probe := host + "/"
	if ns != "" {
		probe += ns + "/"
	}
	ref, err := ParseRef(probe + "x:y")
	if err != nil || ref.Registry != host {
		return Mirror{}, fmt.Errorf("mirror %q: write it as HOST[:PORT][/NAMESPACE]", s)
	}
	return Mirror{Host: host, Namespace: ns}, nil
}

// String writes the mirror as [ParseMirror] reads it.
func (m Mirror) String() string {
	if m.Namespace == "" {
		return m.Host
	}
	return m.Host + "/" + m.Namespace
}

// Behind gives m as seen from another address, such as a load balancer's or a group
// port's: it has the repositories of m, below the namespace of at in place of m's.
func (m Mirror) Behind(at Mirror) (Mirror, error) {
	joined := m.MaxNestedPaths > 0 && m.Namespace != "" && strings.Count(m.Namespace, "/")+1 >= m.MaxNestedPaths
	switch {
	case at.Namespace == m.Namespace:
	case joined:
		return Mirror{}, fmt.Errorf("%s under the name of %s: the namespace %s is joined with what follows it into one path component, so it cannot have another name", m, at, m.Namespace)
	case at.Namespace == "" && m.Shared.Repository == m.Namespace && m.Namespace != "":
		return Mirror{}, fmt.Errorf("%s under the name of %s: the repository %s needs a name there too", m, at, m.Namespace)
	}
	return Mirror{Host: at.Host, Namespace: at.Namespace, other: &m}, nil
}

// seen is the repository under this address that leads to repo of the mirror behind it.
func (m Mirror) seen(repo Ref) Ref {
	path, prefix := repo.Repository, ""
	if m.other.Namespace != "" {
		prefix = "/" + m.other.Namespace
	}
	if rest, ok := strings.CutPrefix("/"+path, prefix); ok && (rest == "" || rest[0] == '/') {
		path = strings.TrimPrefix(m.Namespace+rest, "/")
	}
	return Ref{Registry: m.Host, Repository: path}
}

// Repo is the repository of the mirror that keeps img.
func (m Mirror) Repo(img Image) Ref {
	if m.other != nil {
		return m.seen(m.other.Repo(img))
	}
	path := img.MirrorPath()
	if m.Shared.has(path) {
		return Ref{Registry: m.Host, Repository: m.Shared.Repository}
	}
	if m.Namespace != "" {
		path = m.Namespace + "/" + path
	}
	if parts := strings.Split(path, "/"); m.MaxNestedPaths > 0 && len(parts) > m.MaxNestedPaths {
		head := parts[:m.MaxNestedPaths-1]
		tail := strings.Join(parts[m.MaxNestedPaths-1:], "-")
		path = strings.Join(append(head[:len(head):len(head)], tail), "/")
	}
	return Ref{Registry: m.Host, Repository: path}
}

// CollisionError says that two images would take the same tag of the mirror.
type CollisionError struct {
	Place Ref
	A, B  Image
}

func (e *CollisionError) Error() string {
	return fmt.Sprintf("%s and %s are different images and would both become %s/%s:%s in the mirror",
		e.A.Source, e.B.Source, "<mirror>", e.Place.Repository, e.Place.Tag)
}

// Hint says what to do now.
func (e *CollisionError) Hint() string {
	return "carry one of the two, or carry them in two bundles for two mirror namespaces; of signatures, those of the image's other source"
}

// CheckCollisions returns a *[CollisionError] if two images of the inventory with
// different digests would take the same tag of the same mirror repository.
func (m Mirror) CheckCollisions(inv *Inventory) error {
	type taken struct {
		digest digest.Digest
		image  Image
	}
	places := map[string]taken{}
	for _, img := range inv.Images {
		repo := m.Repo(img)
		for _, tag := range img.MirrorTags() {
			place := repo.WithTag(tag)
			if other, ok := places[place.String()]; ok && other.digest != img.Root.Digest {
				return &CollisionError{Place: place, A: other.image, B: img}
			}
			places[place.String()] = taken{img.Root.Digest, img}
		}
	}
	return nil
}
