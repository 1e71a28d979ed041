package rules

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Nodes is a node's registries.conf.
type Nodes struct {
	registries []registry
	index      map[string]int // scope -> its place among them
}

// registry is one [[registry]] of it (containers-registries.conf(5)).
type registry struct {
	scope             string // *.DOMAIN, or HOST[:PORT][/PATH]
	insecure, blocked bool
	mirrors           []endpoint
}

type endpoint struct {
	location string
	insecure bool
	tags     bool // for pulls by tag; else for those by digest
}

// On gives the nodes' configuration for groups of rules, as [Applied] does.
func On(groups []Group, insecure, blocked []string) *Nodes {
	var objects []Object
	for _, g := range groups {
		objects = append(objects, Object{Kind: ContentSource, Rules: g.Rules})
	}
	return Applied(objects, insecure, blocked)
}

// Applied gives the nodes' configuration for objects, and for the scopes in the
// insecureRegistries and blockedRegistries of image.config.openshift.io. It
// follows github.com/openshift/runtime-utils/pkg/registries, which the machine
// config operator calls: of all that match only the most precise entry counts, so
// flags and mirrors of a wider one are repeated in it.
func Applied(objects []Object, insecure, blocked []string) *Nodes {
	n := &Nodes{index: map[string]int{}}
	sources := append(n.mirrors(objects, false), n.mirrors(objects, true)...)
	for _, scope := range blocked {
		n.entry(scope)
	}
	for _, scope := range insecure {
		n.entry(scope)
		n.within(scope, func(r *registry) { r.insecure = true })
		for i := range n.registries {
			for j, m := range n.registries[i].mirrors {
				n.registries[i].mirrors[j].insecure = m.insecure || Within(m.location, scope)
			}
		}
	}
	for _, scope := range blocked {
		n.within(scope, func(r *registry) { r.blocked = true })
	}
	n.inherit(sources)
	return n
}

// mirrors adds the mirrors for pulls by tag, or by digest, and gives their sources, sorted.
func (n *Nodes) mirrors(objects []Object, tags bool) []string {
	lists, never := map[string][][]string{}, map[string]bool{}
	for _, o := range objects {
		if o.Digests() == tags {
			continue
		}
		for _, r := range o.Rules {
			if len(without(r.Mirrors, []string{r.Source})) == 0 {
				continue // it leads nowhere else
			}
			lists[r.Source] = append(lists[r.Source], r.Mirrors)
			never[r.Source] = never[r.Source] || slices.Contains(o.Never, r.Source)
		}
	}
	sources := slices.Sorted(maps.Keys(lists))
	for _, source := range sources {
		reg := n.entry(source)
		reg.blocked = reg.blocked || never[source]
		for _, m := range merged(source, lists[source]) {
			reg.mirrors = append(reg.mirrors, endpoint{location: m, tags: tags})
		}
	}
	return sources
}

// entry finds the registry of that scope, or appends it.
func (n *Nodes) entry(scope string) *registry {
	i, ok := n.index[scope]
	if !ok {
		i = len(n.registries)
		n.index[scope] = i
		n.registries = append(n.registries, registry{scope: scope})
	}
	return &n.registries[i]
}

func (n *Nodes) within(scope string, do func(*registry)) {
	for i := range n.registries {
		if Within(n.registries[i].scope, scope) {
			do(&n.registries[i])
		}
	}
}

// inherit gives the mirrors of sources to narrower entries that have none.
func (n *Nodes) inherit(sources []string) {
	var bare []*registry
	for i := range n.registries {
		if r := &n.registries[i]; len(r.mirrors) == 0 {
			bare = append(bare, r)
		}
	}
	for _, r := range bare {
		for _, source := range sources {
			if len(r.mirrors) > 0 || !Within(r.scope, source) {
				continue
			}
			for _, m := range n.entry(source).mirrors {
				m.location += beyond(r.scope, source)
				r.mirrors = append(r.mirrors, m)
			}
		}
	}
}

// Within reports whether a scope lies in another: a path in a registry or below
// a path, a host in *.DOMAIN, with any port. A scope may also be one image, by
// tag or digest: nothing lies in that but itself, nor it in *.DOMAIN if its host
// has no port (github.com/openshift/runtime-utils, "ScopeIsNestedInsideScope").
func Within(sub, scope string) bool {
	if domain, ok := strings.CutPrefix(scope, "*"); ok && strings.HasPrefix(domain, ".") {
		host, _, port := strings.Cut(sub, ":")
		if !port {
			host, _, _ = strings.Cut(sub, "/")
		}
		return sub == scope || strings.HasSuffix(host, domain) && !strings.Contains(host, "/")
	}
	return strings.HasPrefix(sub, scope) && (len(sub) == len(scope) || sub[len(scope)] == '/')
}

// Pull lists the repositories that a node tries, in this order, for an image
// that is named by its digest in a repository. The source comes last; it is left
// out where it is blocked.
func (n *Nodes) Pull(repository string) []string { return n.pulled(repository, false) }

// PullTag is as Pull for an image that is named by a tag.
func (n *Nodes) PullTag(repository string) []string { return n.pulled(repository, true) }

func (n *Nodes) pulled(repository string, tags bool) []string {
	best, ok := n.find(repository)
	if !ok {
		return []string{repository}
	}
	list := best.under(repository, tags)
	if !best.blocked {
		list = append(list, repository)
	}
	return list
}

// beyond is what of a repository, or of a narrower scope, its mirrors have too: all that
// the scope does not match (containers/image, "rewriteReference").
func beyond(repository, scope string) string {
	if domain, ok := strings.CutPrefix(scope, "*"); ok {
		_, rest, _ := strings.Cut(repository, domain)
		return rest
	}
	return strings.TrimPrefix(repository, scope)
}

// find gives the most precise entry for a repository: the longest path, then the
// longest domain.
func (n *Nodes) find(repository string) (*registry, bool) {
	for end := len(repository); end >= 0; end = strings.LastIndexByte(repository[:end], '/') {
		if i, ok := n.index[repository[:end]]; ok {
			// Of two scopes of one length, as a.example and *.example, the domain wins (containers/image, "findRegistryWithParsedConfig").
			if domain, tie := n.index["*"+repository[min(1, end):end]]; tie {
				i = domain
			}
			return &n.registries[i], true
		}
	}
	host, _, _ := strings.Cut(repository, "/")
	host, _, _ = strings.Cut(host, ":")
	for {
		_, domain, more := strings.Cut(host, ".")
		if !more {
			return nil, false
		}
		if i, ok := n.index["*."+domain]; ok {
			return &n.registries[i], true
		}
		host = domain
	}
}

// TOML writes the file as the machine config operator does, onto its template.
func (n *Nodes) TOML() []byte {
	var b bytes.Buffer
	b.WriteString("unqualified-search-registries = [\"registry.access.redhat.com\", \"docker.io\"]\nshort-name-mode = \"\"\n")
	for _, r := range n.registries {
		b.WriteString("\n[[registry]]\n")
		prefix, location := "", r.scope
		if strings.HasPrefix(r.scope, "*.") {
			prefix, location = r.scope, ""
		}
		fmt.Fprintf(&b, "  prefix = %s\n", strconv.Quote(prefix))
		if location != "" {
			fmt.Fprintf(&b, "  location = %s\n", strconv.Quote(location))
		}
		flag(&b, "  insecure", r.insecure)
		flag(&b, "  blocked", r.blocked)
		for _, m := range r.mirrors {
			fmt.Fprintf(&b, "\n  [[registry.mirror]]\n    location = %s\n", strconv.Quote(m.location))
			flag(&b, "    insecure", m.insecure)
			kind := "digest-only"
			if m.tags {
				kind = "tag-only"
			}
			fmt.Fprintf(&b, "    pull-from-mirror = %q\n", kind)
		}
	}
	return b.Bytes()
}

func flag(b *bytes.Buffer, name string, set bool) {
	if set {
		fmt.Fprintf(b, "%s = true\n", name)
	}
}
