package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// MirrorAPI is the kind of objects that rules are written as; "" is [MirrorICSP].
type MirrorAPI string

// The kinds. Images that are named by tag have rules only as IDMS.
const (
	MirrorICSP MirrorAPI = "icsp" // ImageContentSourcePolicy, which every OpenShift 4 has
	MirrorIDMS MirrorAPI = "idms" // ImageDigestMirrorSet and ImageTagMirrorSet, from 4.13 on
	MirrorAuto MirrorAPI = "auto" // by the cluster's version and the rules that it has
)

// SourcePolicy says whether nodes may ask a source itself; "" keeps what the cluster has.
type SourcePolicy string

// The policies, which only an ImageDigestMirrorSet can have.
const (
	SourceAllow SourcePolicy = "allow" // nodes ask the source if no mirror has the image
	SourceNever SourcePolicy = "never" // nodes never ask the source
)

// hasMirrorSets reports whether a version has ImageDigestMirrorSet and ImageTagMirrorSet.
func hasMirrorSets(v semver.Version) bool { return v.Major > 4 || v.Major == 4 && v.Minor >= 13 }

// mixes reports whether a version takes ImageContentSourcePolicies beside the other kinds: its API
// server refuses them before 4.13.27 and in 4.14.0 to 4.14.2 (openshift/kubernetes #1798, openshift-docs #72316).
// The patch of OKD's versions is always 0, so 4.13 and 4.14 of OKD count as refusing.
func mixes(v semver.Version) bool {
	switch {
	case v.Major != 4 || v.Minor > 14:
		return v.Major >= 4
	case v.Minor == 14:
		return v.Patch > 2
	}
	return v.Minor == 13 && v.Patch >= 27
}

// rulesThere says which kinds of rules the cluster has.
func (e *emission) rulesThere() (icsp, sets bool) {
	for _, o := range e.site.PresentRules.Objects {
		if o.Kind == rules.ContentSource {
			icsp = true
		} else {
			sets = true
		}
	}
	return icsp, sets
}

// chooseAPI decides which kind of objects is written.
func (e *emission) chooseAPI() error {
	v, known := e.site.Cluster.Running()
	e.kind = rules.ContentSource
	if e.hosted() { // the rules go into its HostedCluster, and are no objects of either kind
		return e.chooseHosted(v, known)
	}
	switch e.site.MirrorAPI {
	case "", MirrorICSP:
	case MirrorIDMS:
		e.kind = rules.DigestMirrors
	case MirrorAuto:
		e.kind = e.autoKind(v, known)
	default:
		return &SiteError{Field: "MirrorAPI", Msg: fmt.Sprintf("%q is no kind of rules", e.site.MirrorAPI), hint: "give icsp, idms or auto"}
	}
	if known && e.kind == rules.DigestMirrors && !hasMirrorSets(v) {
		return &SiteError{Field: "MirrorAPI", Msg: fmt.Sprintf("the cluster runs %s, and ImageDigestMirrorSet exists only from 4.13 on", v), hint: "write rules of the other kind: icsp, or auto"}
	}
	if e.site.PresentRules != nil && known && !mixes(v) {
		icsp, sets := e.rulesThere()
		const refused = "the cluster runs %s, which refuses an %s beside the %s objects that it has"
		switch {
		case e.kind == rules.ContentSource && sets && hasMirrorSets(v):
			return &SiteError{Field: "MirrorAPI", Msg: fmt.Sprintf(refused, v, rules.ContentSource, "ImageDigestMirrorSet or ImageTagMirrorSet"), hint: "write rules of the other kind: idms, or auto"}
		case e.kind == rules.DigestMirrors && icsp:
			return &SiteError{Field: "MirrorAPI", Msg: fmt.Sprintf(refused, v, rules.DigestMirrors, rules.ContentSource), hint: "write rules of the other kind (icsp, or auto), and change the kind after an update to 4.13.27, 4.14.3 or later"}
		}
	}
	if err := e.checkAddress(v, known); err != nil {
		return err
	}
	return e.checkPolicy()
}

// checkAddress: no rule leads to an IPv6 address without a name. The schemas of the newer kinds
// refuse one, and from 4.13 on the machine config operator does ("mirrorRegex").
func (e *emission) checkAddress(v semver.Version, known bool) error {
	for _, m := range e.mirrors() {
		switch {
		case !strings.HasPrefix(m.Host, "["):
		case e.kind == rules.DigestMirrors || known && hasMirrorSets(v):
			return &SiteError{Field: "Mirror", Msg: fmt.Sprintf("rules cannot lead nodes to %s: an address of IPv6 cannot stand in them", m.Host), hint: "give the mirror a name that the nodes can resolve, and that its certificate has"}
		case !known:
			e.note("from 4.13 on, nodes take no rules that lead to an address of IPv6 such as %s: give the mirror a name", m.Host)
		}
	}
	return nil
}

// checkPolicy: the policy of sources can be set only on objects that have one, and only where it
// is known that it contradicts no other object: nodes would then take no change at all.
func (e *emission) checkPolicy() error {
	switch p := e.site.SourcePolicy; {
	case p != "" && p != SourceAllow && p != SourceNever:
		return &SiteError{Field: "SourcePolicy", Msg: fmt.Sprintf("%q is no policy of sources", p), hint: "give allow or never"}
	case p == SourceNever && e.kind != rules.DigestMirrors:
		return &SiteError{Field: "SourcePolicy", Msg: "an ImageContentSourcePolicy cannot keep nodes from the sources", hint: "write ImageDigestMirrorSets (idms), which need 4.13 or later"}
	case p == SourceNever && e.site.PresentRules == nil:
		return &SiteError{Field: "SourcePolicy", Msg: "whether nodes may be kept from the sources is decided by all rules of the cluster, and these are not known", hint: "give the rules that the cluster has now, also if it has none"}
	}
	return nil
}

// autoKind is the kind of rules for a cluster, as far as it is known.
func (e *emission) autoKind(v semver.Version, known bool) rules.Kind {
	icsp, sets := false, false
	if e.site.PresentRules != nil {
		icsp, sets = e.rulesThere()
	}
	switch {
	case known && !hasMirrorSets(v):
		return rules.ContentSource
	case known && mixes(v):
		return rules.DigestMirrors
	case e.site.PresentRules == nil: // beside what it may have, only one kind is taken
		return rules.ContentSource
	case icsp || !sets && !known:
		return rules.ContentSource
	}
	return rules.DigestMirrors
}

// policy is the site's policy as the rules have it.
func (e *emission) policy() rules.Policy {
	switch e.site.SourcePolicy {
	case SourceNever:
		return rules.Never
	case SourceAllow:
		return rules.Allow
	}
	return rules.Keep
}

// noteKind says where the rules that the cluster has are of another kind than those of this run.
func (e *emission) noteKind() {
	if e.site.PresentRules == nil || e.kind != rules.ContentSource || e.site.MirrorAPI == MirrorICSP {
		return
	}
	if slices.ContainsFunc(e.site.PresentRules.Objects, func(o rules.Object) bool { return o.Ours() && o.Kind == rules.DigestMirrors }) {
		e.note("satchel's rules in the cluster are ImageDigestMirrorSets, and these files have them as ImageContentSourcePolicies: give --mirror-api idms or auto to stay with the kind that is there")
		return
	}
	if icsp, sets := e.rulesThere(); sets && !icsp && e.site.MirrorAPI == "" {
		e.note("the rules of the cluster are ImageDigestMirrorSets or ImageTagMirrorSets, and these files have ImageContentSourcePolicies, the older kind: give --mirror-api auto to stay with the kind that is there")
	}
}

// chooseHosted is the choice for a hosted cluster: its HostedCluster has rules for pulls by digest
// alone, and no policy of sources.
func (e *emission) chooseHosted(v semver.Version, known bool) error {
	if e.site.SourcePolicy != "" {
		return &SiteError{Field: "SourcePolicy", Msg: "this is a hosted cluster: a HostedCluster has no policy of sources", hint: "leave it out"}
	}
	return e.checkAddress(v, known)
}
