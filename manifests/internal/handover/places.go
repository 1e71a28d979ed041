package handover

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
)

// Mirrors are the addresses that nodes pull from, in the order in which they are tried.
func (h *Handover) Mirrors() []oci.Mirror {
	if len(h.PullFrom) > 0 {
		return h.PullFrom
	}
	return []oci.Mirror{h.Site.Mirror}
}

// Repo is the repository that nodes pull an image from first.
func (h *Handover) Repo(img oci.Image) oci.Ref { return h.Mirrors()[0].Repo(img) }

// Place is where nodes find an image first, by digest.
func (h *Handover) Place(img oci.Image) string { return h.Places(img)[0] }

// Places are where nodes find an image, by digest, in the order in which they are tried.
func (h *Handover) Places(img oci.Image) (list []string) {
	for _, m := range h.Mirrors() {
		list = append(list, m.Repo(img).WithDigest(img.Root.Digest).String())
	}
	return list
}

// checkMirrors checks the mirror, and its other addresses.
func (h *Handover) checkMirrors() error {
	if !isMirror(h.Site.Mirror) {
		return &site.SiteError{Field: "Mirror", Msg: fmt.Sprintf("%q is not a mirror", h.Site.Mirror.String()), Advice: "write it as HOST[:PORT][/NAMESPACE]"}
	}
	seen := map[string]bool{}
	for _, at := range h.Site.PullFrom {
		if !isMirror(at) {
			return &site.SiteError{Field: "PullFrom", Msg: fmt.Sprintf("%q is not an address that nodes can pull from", at.String()), Advice: "write it as HOST[:PORT][/NAMESPACE]"}
		}
		if seen[at.String()] {
			return &site.SiteError{Field: "PullFrom", Msg: fmt.Sprintf("nodes would pull from %s twice", at), Advice: "name each address once"}
		}
		seen[at.String()] = true
		m, err := h.Site.Mirror.Behind(at)
		if err != nil {
			return &site.SiteError{Field: "PullFrom", Msg: err.Error(), Advice: fmt.Sprintf("give the address the namespace %s too, or one of its own", h.Site.Mirror.Namespace)}
		}
		h.PullFrom = append(h.PullFrom, m)
	}
	return nil
}

func isMirror(m oci.Mirror) bool {
	parsed, err := oci.ParseMirror(m.String())
	return err == nil && parsed.Host == m.Host && parsed.Namespace == m.Namespace
}

// Flagged lists the files of objects for one command, so that nodes change once.
func Flagged(list []Named) string {
	var b strings.Builder
	for _, o := range list {
		b.WriteString(" -f " + o.File)
	}
	return b.String()
}

// Codes puts words into code spans.
func Codes(words []string) (list []string) {
	for _, w := range words {
		list = append(list, "`"+w+"`")
	}
	return list
}

// UpdateServiceKey is the key under which the update service looks for the authorities of the
// registry that it reads (cincinnati-operator, updateservice_controller.go).
const UpdateServiceKey = "updateservice-registry"

// Within reports whether a repository is in one of some scopes.
func Within(repo string, scopes []string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return rules.Within(repo, s) })
}

// ProxyHost is a host as noProxy takes it: domains and networks, without ports
// (cluster-network-operator, proxyconfig/validation.go). An IPv6 address is no domain.
func ProxyHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if strings.Contains(host, ":") {
		return host + "/128"
	}
	return host
}

// IsDefault reports whether every cluster has a catalog of that name from the start.
func IsDefault(name string) bool {
	for _, d := range DefaultCatalogs {
		if d.Name == name {
			return true
		}
	}
	return false
}

// defaultCatalog is a catalog that every cluster has from the start, as
// operator-marketplace's defaults directory gives it. The priorities decide
// which catalog a dependency is taken from.
type defaultCatalog struct {
	Name, DisplayName string
	Priority          int
}

var DefaultCatalogs = map[string]defaultCatalog{
	"registry.redhat.io/redhat/redhat-operator-index":    {"redhat-operators", "Red Hat Operators", -100},
	"registry.redhat.io/redhat/certified-operator-index": {"certified-operators", "Certified Operators", -200},
	"registry.redhat.io/redhat/redhat-marketplace-index": {"redhat-marketplace", "Red Hat Marketplace", -300},
	"registry.redhat.io/redhat/community-operator-index": {"community-operators", "Community Operators", -400},
	// What OKD has under that name.
	"registry.access.redhat.com/redhat/community-operator-index": {"community-operators", "Community Operators", -400},
}
