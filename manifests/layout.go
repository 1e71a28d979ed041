package manifests

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
)

// Layout says which tool's repositories a mirror has.
type Layout struct {
	Tool string // one of the names below
	// Releases is the repository, below the host, that has all of releases in the layout of
	// oc; "" for the mirror's namespace itself.
	Releases string
}

// Tools that fill mirrors. The layout of oc-mirror is also this program's own.
const (
	LayoutOcMirror = "oc-mirror"
	LayoutOc       = "oc"
)

// ocNestedPaths is how many components "oc adm catalog mirror" gives a repository (its
// --max-components).
const ocNestedPaths = 2

// ParseLayout reads oc-mirror, oc, or oc=REPOSITORY.
func ParseLayout(s string) (Layout, error) {
	tool, releases, has := strings.Cut(s, "=")
	l := Layout{tool, releases}
	if _, err := oci.ParseRef("mirror.invalid/" + cmp.Or(releases, "x") + ":x"); err != nil || has && releases == "" {
		return l, fmt.Errorf("layout %q: what follows the equals sign is not a repository, as ocp4/openshift4", s)
	}
	if tool != LayoutOcMirror && tool != LayoutOc || has && tool != LayoutOc {
		return l, fmt.Errorf("layout %q is not one of oc-mirror, oc, oc=REPOSITORY", s)
	}
	return l, nil
}

// String writes the layout as [ParseLayout] reads it.
func (l Layout) String() string {
	if l.Releases != "" {
		return l.Tool + "=" + l.Releases
	}
	return cmp.Or(l.Tool, LayoutOcMirror)
}

// On gives a mirror the layout. In that of oc ("oc adm release mirror", "oc adm catalog mirror"),
// everything of releases is in one repository, and a repository has two path components,
// unless the mirror has another limit. keep: the mirror's limit stays also where it is none.
func (l Layout) On(m oci.Mirror, keep bool) (oci.Mirror, error) {
	if l.Tool != LayoutOc {
		return m, nil
	}
	m.Shared = oci.Shared{Repository: cmp.Or(l.Releases, m.Namespace), Paths: [2]string{origin.PathPayload, origin.PathComponents}}
	if m.Shared.Repository == "" {
		return m, errors.New("in the layout of oc, the namespace of the mirror is the repository of releases, and there is none")
	}
	if !keep && m.MaxNestedPaths == 0 {
		m.MaxNestedPaths = ocNestedPaths
	}
	return m, nil
}
