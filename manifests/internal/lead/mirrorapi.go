package lead

import (
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
)

// Mixes reports whether a version takes ImageContentSourcePolicies beside the other kinds: its API
// server refuses them before 4.13.27 and in 4.14.0 to 4.14.2 (openshift/kubernetes #1798, openshift-docs #72316).
// The patch of OKD's versions is always 0, so 4.13 and 4.14 of OKD count as refusing.
func Mixes(v semver.Version) bool {
	switch {
	case v.Major != 4 || v.Minor > 14:
		return v.Major >= 4
	case v.Minor == 14:
		return v.Patch > 2
	}
	return v.Minor == 13 && v.Patch >= 27
}

// rulesThere says which kinds of rules the cluster has.
func (l *Lead) rulesThere() (icsp, sets bool) {
	for _, o := range l.Site.PresentRules.Objects {
		if o.Kind == rules.ContentSource {
			icsp = true
		} else {
			sets = true
		}
	}
	return icsp, sets
}

// ownSets reports whether satchel's rules in the cluster are of the newer kind, which the cluster
// then takes: who asks for no kind stays with that one.
func (l *Lead) ownSets() bool {
	return l.Site.PresentRules != nil && slices.ContainsFunc(l.Site.PresentRules.Objects, func(o rules.Object) bool { return o.Ours() && o.Kind == rules.DigestMirrors })
}

// ChooseAPI decides which kind of objects is written.
func (l *Lead) ChooseAPI() error {
	v, known := l.Site.Cluster.Running()
	l.kind = rules.ContentSource
	if l.Hosted() { // the rules go into its HostedCluster, and are no objects of either kind
		return l.chooseHosted(v, known)
	}
	switch l.Site.MirrorAPI {
	case "":
		if l.ownSets() {
			l.kind = rules.DigestMirrors
		}
	case site.MirrorICSP:
	case site.MirrorIDMS:
		l.kind = rules.DigestMirrors
	case site.MirrorAuto:
		l.kind = l.autoKind(v, known)
	default:
		return &site.SiteError{Field: "MirrorAPI", Msg: fmt.Sprintf("%q is no kind of rules", l.Site.MirrorAPI), Advice: "give icsp, idms or auto"}
	}
	if known && l.kind == rules.DigestMirrors && !site.HasMirrorSets(v) {
		return &site.SiteError{Field: "MirrorAPI", Msg: fmt.Sprintf("the cluster runs %s, and ImageDigestMirrorSet exists only from 4.13 on", v), Advice: "write rules of the other kind: icsp, or auto"}
	}
	if l.Site.PresentRules != nil && known && !Mixes(v) {
		icsp, sets := l.rulesThere()
		const refused = "the cluster runs %s, which refuses an %s beside the %s objects that it has"
		switch {
		case l.kind == rules.ContentSource && sets && site.HasMirrorSets(v):
			return &site.SiteError{Field: "MirrorAPI", Msg: fmt.Sprintf(refused, v, rules.ContentSource, "ImageDigestMirrorSet or ImageTagMirrorSet"), Advice: "write rules of the other kind: idms, or auto"}
		case l.kind == rules.DigestMirrors && icsp:
			return &site.SiteError{Field: "MirrorAPI", Msg: fmt.Sprintf(refused, v, rules.DigestMirrors, rules.ContentSource), Advice: "write rules of the other kind (icsp, or auto), and change the kind after an update to 4.13.27, 4.14.3 or later"}
		}
	}
	if err := l.checkAddress(v, known); err != nil {
		return err
	}
	return l.checkPolicy()
}

// checkAddress: no rule leads to an IPv6 address without a name. The schemas of the newer kinds
// refuse one, and from 4.13 on the machine config operator does ("mirrorRegex").
func (l *Lead) checkAddress(v semver.Version, known bool) error {
	for _, m := range l.Mirrors() {
		switch {
		case !strings.HasPrefix(m.Host, "["):
		case l.kind == rules.DigestMirrors || known && site.HasMirrorSets(v):
			return &site.SiteError{Field: "Mirror", Msg: fmt.Sprintf("rules cannot lead nodes to %s: an address of IPv6 cannot stand in them", m.Host), Advice: "give the mirror a name that the nodes can resolve, and that its certificate has"}
		case !known:
			l.Note("from 4.13 on, nodes take no rules that lead to an address of IPv6 such as %s: give the mirror a name", m.Host)
		}
	}
	return nil
}

// checkPolicy: the policy of sources can be set only on objects that have one, and only where it
// is known that it contradicts no other object: nodes would then take no change at all.
func (l *Lead) checkPolicy() error {
	switch p := l.Site.SourcePolicy; {
	case p != "" && p != site.SourceAllow && p != site.SourceNever:
		return &site.SiteError{Field: "SourcePolicy", Msg: fmt.Sprintf("%q is no policy of sources", p), Advice: "give allow or never"}
	case p == site.SourceNever && l.kind != rules.DigestMirrors:
		return &site.SiteError{Field: "SourcePolicy", Msg: "an ImageContentSourcePolicy cannot keep nodes from the sources", Advice: "write ImageDigestMirrorSets (idms), which need 4.13 or later"}
	case p == site.SourceNever && l.Site.PresentRules == nil:
		return &site.SiteError{Field: "SourcePolicy", Msg: "whether nodes may be kept from the sources is decided by all rules of the cluster, and these are not known", Advice: "give the rules that the cluster has now, also if it has none"}
	}
	return nil
}

// autoKind is the kind of rules for a cluster, as far as it is known.
func (l *Lead) autoKind(v semver.Version, known bool) rules.Kind {
	icsp, sets := false, false
	if l.Site.PresentRules != nil {
		icsp, sets = l.rulesThere()
	}
	switch {
	case known && !site.HasMirrorSets(v):
		return rules.ContentSource
	case known && Mixes(v):
		return rules.DigestMirrors
	case l.Site.PresentRules == nil: // beside what it may have, only one kind is taken
		return rules.ContentSource
	case icsp || !sets && !known:
		return rules.ContentSource
	}
	return rules.DigestMirrors
}

// policy is the site's policy as the rules have it.
func (l *Lead) policy() rules.Policy {
	switch l.Site.SourcePolicy {
	case site.SourceNever:
		return rules.Never
	case site.SourceAllow:
		return rules.Allow
	}
	return rules.Keep
}

// noteKind says where the rules that the cluster has are of another kind than those of this run.
func (l *Lead) noteKind() {
	if l.Site.PresentRules == nil || l.kind != rules.ContentSource || l.Site.MirrorAPI == site.MirrorICSP {
		return
	}
	if l.ownSets() {
		l.Note("satchel's rules in the cluster are ImageDigestMirrorSets, and these files have them as ImageContentSourcePolicies: give --mirror-api idms to stay with the kind that is there")
		return
	}
	if icsp, sets := l.rulesThere(); sets && !icsp && l.Site.MirrorAPI == "" {
		l.Note("the rules of the cluster are ImageDigestMirrorSets or ImageTagMirrorSets, and these files have ImageContentSourcePolicies, the older kind: give --mirror-api auto to stay with the kind that is there")
	}
}

// chooseHosted is the choice for a hosted cluster: its HostedCluster has rules for pulls by digest
// alone, and no policy of sources.
func (l *Lead) chooseHosted(v semver.Version, known bool) error {
	if l.Site.SourcePolicy != "" {
		return &site.SiteError{Field: "SourcePolicy", Msg: "this is a hosted cluster: a HostedCluster has no policy of sources", Advice: "leave it out"}
	}
	return l.checkAddress(v, known)
}
