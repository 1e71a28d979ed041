package oci

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// Ref names an image, or a repository, in a registry.
type Ref struct {
	Registry   string        // host[:port]
	Repository string        // path below the registry, such as ubi9/ubi
	Tag        string        // may be empty
	Digest     digest.Digest // may be empty
}

// ParseRef reads HOST[:PORT]/REPOSITORY with a tag, a digest or both. The host
// must be written out: a short name would mean another image on another host. The
// transport that other tools want before it, docker://, may be there.
func ParseRef(s string) (Ref, error) {
	s = strings.TrimPrefix(s, "docker://")
	named, err := reference.ParseNamed(s)
	if err != nil {
		return Ref{}, explainRef(s, err)
	}
	ref := Ref{Registry: reference.Domain(named), Repository: reference.Path(named)}
	if i := strings.LastIndexByte(ref.Registry, ':'); i > strings.LastIndexByte(ref.Registry, ']') {
		if port, err := strconv.ParseUint(ref.Registry[i+1:], 10, 16); err != nil || port == 0 {
			return Ref{}, fmt.Errorf("image reference %q: %s is not a port", s, ref.Registry[i+1:])
		}
	}
	if t, ok := named.(reference.Tagged); ok {
		ref.Tag = t.Tag()
	}
	if d, ok := named.(reference.Digested); ok {
		ref.Digest = d.Digest()
		if err := CheckDigest(ref.Digest); err != nil {
			return Ref{}, fmt.Errorf("image reference %q: %w", s, err)
		}
	}
	if ref.Tag == "" && ref.Digest == "" {
		return Ref{}, fmt.Errorf("image reference %q has neither a tag nor a digest", s)
	}
	return ref, nil
}

// Name is the repository with its registry: HOST[:PORT]/REPOSITORY.
func (r Ref) Name() string { return r.Registry + "/" + r.Repository }

// String writes the reference as [ParseRef] reads it.
func (r Ref) String() string {
	s := r.Name()
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}

// Repo is r without tag and digest.
func (r Ref) Repo() Ref { return Ref{Registry: r.Registry, Repository: r.Repository} }

// WithTag is the repository of r with nothing but a tag.
func (r Ref) WithTag(tag string) Ref {
	r.Tag, r.Digest = tag, ""
	return r
}

// WithDigest is the repository of r with nothing but a digest.
func (r Ref) WithDigest(d digest.Digest) Ref {
	r.Tag, r.Digest = "", d
	return r
}

// MarshalText writes the reference as a string, as in JSON.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Ref) UnmarshalText(b []byte) error {
	ref, err := ParseRef(string(b))
	if err != nil {
		return err
	}
	*r = ref
	return nil
}
