package emit

import (
	"fmt"

	"github.com/satchel-airgap/satchel/oci"
)

// mirrors are the addresses that nodes pull from, in the order in which they are tried.
func (e *emission) mirrors() []oci.Mirror {
	if len(e.pullFrom) > 0 {
		return e.pullFrom
	}
	return []oci.Mirror{e.site.Mirror}
}

// repo is the repository that nodes pull an image from first.
func (e *emission) repo(img oci.Image) oci.Ref { return e.mirrors()[0].Repo(img) }

// place is where nodes find an image first, by digest.
func (e *emission) place(img oci.Image) string { return e.places(img)[0] }

// places are where nodes find an image, by digest, in the order in which they are tried.
func (e *emission) places(img oci.Image) (list []string) {
	for _, m := range e.mirrors() {
		list = append(list, m.Repo(img).WithDigest(img.Root.Digest).String())
	}
	return list
}

// checkMirrors checks the mirror, and its other addresses.
func (e *emission) checkMirrors() error {
	if !isMirror(e.site.Mirror) {
		return &SiteError{Field: "Mirror", Msg: fmt.Sprintf("%q is not a mirror", e.site.Mirror.String()), hint: "write it as HOST[:PORT][/NAMESPACE]"}
	}
	seen := map[string]bool{}
	for _, at := range e.site.PullFrom {
		if !isMirror(at) {
			return &SiteError{Field: "PullFrom", Msg: fmt.Sprintf("%q is not an address that nodes can pull from", at.String()), hint: "write it as HOST[:PORT][/NAMESPACE]"}
		}
		if seen[at.String()] {
			return &SiteError{Field: "PullFrom", Msg: fmt.Sprintf("nodes would pull from %s twice", at), hint: "name each address once"}
		}
		seen[at.String()] = true
		m, err := e.site.Mirror.Behind(at)
		if err != nil {
			return &SiteError{Field: "PullFrom", Msg: err.Error(), hint: fmt.Sprintf("give the address the namespace %s too, or one of its own", e.site.Mirror.Namespace)}
		}
		e.pullFrom = append(e.pullFrom, m)
	}
	return nil
}

func isMirror(m oci.Mirror) bool {
	parsed, err := oci.ParseMirror(m.String())
	return err == nil && parsed.Host == m.Host && parsed.Namespace == m.Namespace
}
