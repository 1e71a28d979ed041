package check

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// nodeConfig is what nodes come to have.
func (c *checking) nodeConfig() transport.NodeConfig {
	cfg := transport.NodeConfig{
		Registries: c.rules.TOML, Credentials: c.credentials(), Authorities: map[string][]byte{},
		Inside: slices.Concat(c.mirrorHosts(), c.nodeMirrors(), c.Audit.Inside), Named: c.nodeHosts(), Sources: c.sources(), Tries: c.Tries, Temp: c.Temp, UserAgent: c.UserAgent,
	}
	for _, host := range slices.Concat(cfg.Inside, cfg.Named) {
		if _, done := cfg.Authorities[host]; done {
			continue
		}
		pem := []string{c.Cluster.RegistryAuthority(host)}
		if h := c.Handover; h != nil {
			pem = append(pem, h.Authorities[""], h.Authorities[host])
		}
		if all := strings.TrimSpace(strings.Join(pem, "\n")); all != "" {
			cfg.Authorities[host] = []byte(all + "\n")
		}
	}
	return cfg
}

// credentials is the pull secret as nodes come to have it: what the cluster has, with the entries for
// the mirror.
func (c *checking) credentials() []byte {
	secret := c.Secret
	add := func(s *manifests.PullSecret) {
		switch {
		case s == nil:
		case secret == nil:
			secret = s
		default:
			secret, _ = secret.Edit(manifests.PullSecretEdit{Add: s})
		}
	}
	switch h := c.Handover; {
	case h == nil:
	case h.Whole && secret != nil: // the cluster has changed its own since
		add(h.Entries)
	default:
		add(h.Secret)
	}
	secret = c.withNodeSecret(secret)
	c.secret = secret
	if secret == nil {
		return nil
	}
	return secret.JSON()
}

// withNodeSecret adds the credential that was given for nodes, where there is none: what is applied counts.
func (c *checking) withNodeSecret(secret *manifests.PullSecret) *manifests.PullSecret {
	if c.NodeSecret == nil || secret == nil {
		return cmp.Or(secret, c.NodeSecret)
	}
	if _, changes := secret.Edit(manifests.PullSecretEdit{Add: c.NodeSecret}); len(changes.Changed) > 0 {
		c.report.Notes = append(c.report.Notes, "the credential that was given for nodes (--node-authfile) is another one for "+text.Some(changes.Changed, 3)+" than the pull secret among the files has: that of the files was used, as nodes come to have it")
	}
	secret, _ = secret.Edit(manifests.PullSecretEdit{AddMissing: c.NodeSecret})
	return secret
}

// nodeHosts are the registries that nodes ask by rules, and that objects name, sorted.
func (c *checking) nodeHosts() []string {
	hosts := map[string]bool{}
	for _, m := range c.rules.Mirrors() {
		host, _, _ := strings.Cut(m, "/")
		hosts[host] = true
	}
	if c.Handover != nil {
		for _, n := range c.Handover.Named {
			hosts[n.Image.Registry] = true
		}
	}
	return slices.Sorted(maps.Keys(hosts))
}

// mirrorHosts are the addresses that images were pushed to, which nodes may never ask, sorted.
func (c *checking) mirrorHosts() (hosts []string) {
	for _, m := range c.carried.mirrors {
		hosts = append(hosts, m.Host)
	}
	if c.Mirror != "" {
		hosts = append(hosts, c.Mirror)
	}
	return text.Sorted(hosts)
}

// nodeMirrors are the names by which nodes know the mirror: those that the files for the cluster have for it, in rules
// and in objects. A registry that images come from is one only where all of them lead there (it has the name that one
// has outside); else somebody changed a rule, or an object.
func (c *checking) nodeMirrors() (hosts []string) {
	if c.Handover == nil {
		return nil
	}
	rules, sources, by := 0, map[string]bool{}, map[string]map[string]bool{} // sources by the mirror that rules have
	for _, object := range c.Handover.Rules {
		for _, r := range object.Rules {
			rules++
			source, _, _ := strings.Cut(r.Source, "/")
			sources[strings.TrimPrefix(source, "*.")] = true
			for _, m := range r.Mirrors {
				host, _, _ := strings.Cut(m, "/")
				if by[host] == nil {
					by[host] = map[string]bool{}
				}
				by[host][object.String()+" "+r.Source] = true
			}
		}
	}
	own := c.namedHosts()
	for _, place := range c.Handover.Nodes.Mirrors() { // as they were written, and the cluster's own with them
		if host, _, _ := strings.Cut(place, "/"); by[host] != nil {
			own = append(own, host)
		}
	}
	for _, host := range text.Sorted(own) {
		if !sources[host] || len(by[host]) == rules && len(sources) > 1 {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// placeHosts are those that images were pushed to, and the ones that nodes ask, sorted.
func (c *checking) placeHosts() []string {
	return text.Sorted(append(c.nodeHosts(), c.mirrorHosts()...))
}

// sources are the registries that nodes do not reach after the cut: those that rules lead away from,
// and those that images come from.
func (c *checking) sources() (list []string) {
	for _, scope := range slices.Concat(c.rules.Scopes, c.carried.sources()) {
		host, _, _ := strings.Cut(scope, "/")
		list = append(list, strings.TrimPrefix(host, "*."))
	}
	return text.Sorted(list)
}

// nothingCarried reports whether neither a receipt nor a bundle says what the mirror is to have.
func (c *checking) nothingCarried() bool { return len(c.Receipts)+len(c.Bundles) == 0 }

// checkCarried says so where nobody knows what the mirror is to have.
func (c *checking) checkCarried() {
	if c.nothingCarried() {
		c.report.add(Finding{Kind: Unknown, Fails: true, Wrong: "no receipt and no bundle says what the mirror is to have: its releases and additional images were not asked for",
			Do: "name the mirror, which keeps its receipts (--to HOST[:PORT][/NAMESPACE]), or, if it keeps none, the bundles (-i KEY DIR)"})
	}
	for _, err := range c.Unread {
		f := Finding{Kind: Unknown, Fails: true, Object: "receipts", Wrong: "not all that the mirror is to have is known: " + text.Printable(err.Error()), Do: "have this host read the mirror's receipts (--ca-file, --authfile), and run this again"}
		if other, ok := errors.AsType[*OtherMirrorError](err); ok {
			f.Wrong, f.Do = other.Error(), other.Hint()
		} else if known, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); ok && known.Hint() != "" {
			f.Do = known.Hint()
		}
		c.report.add(f)
	}
	for _, err := range c.Aside {
		words := "a receipt was left out: " + text.Printable(err.Error())
		if other, ok := errors.AsType[*receipt.OtherError](err); ok {
			words += "; if that is this mirror by another name, run this with that name, too (--to " + other.Of.String() + ")"
		}
		c.report.Notes = append(c.report.Notes, words)
	}
}

// pageOfSteps is the file that says how the others are applied.
const pageOfSteps = "APPLY.md"

// checkFiles says which of the files for the cluster are missing, or cut short.
func (c *checking) checkFiles() {
	if c.Handover == nil {
		return
	}
	lacking := slices.Clone(c.Handover.Lacking)
	for _, name := range c.Gone {
		if name == pageOfSteps || strings.HasPrefix(name, "hostedcluster/") || !strings.Contains(name, "/") && strings.HasSuffix(name, ".yaml") {
			lacking = append(lacking, name)
		}
	}
	for _, name := range slices.Compact(text.Sorted(lacking)) {
		wrong := "it is applied to the cluster, and it is not among the files"
		if name == pageOfSteps {
			wrong = "it says how the files are applied, and it is not among them"
		}
		c.report.add(Finding{Kind: FileMissing, Fails: true, Object: name, Wrong: wrong, Do: "write the files again: satchel render"})
	}
	if !slices.Contains(c.Changed, pageOfSteps) {
		return
	}
	f := Finding{Kind: FileMissing, Object: pageOfSteps, Wrong: "it is not as it was written; a note or other ends of lines do no harm, but a step may be lacking", Do: "if you did not change it, move it away, and write the files again: satchel render"}
	if c.Cut {
		f.Fails, f.Wrong, f.Do = true, "its end is not there, so steps may be lacking", "move it away, and write the files again: satchel render"
	}
	c.report.add(f)
}

// checkRules compares the objects with the file that shows what nodes will have.
func (c *checking) checkRules() {
	for _, why := range c.rules.Differs {
		c.report.add(Finding{Kind: RulesDiffer, Wrong: "registries.conf among the files is not what the rules there give: " + why,
			Do: "write the files again (satchel render), and apply the rules that it writes"})
	}
}
