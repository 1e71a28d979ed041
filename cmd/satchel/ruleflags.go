package main

import (
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// mirrorAPI is the value of --mirror-api.
type mirrorAPI struct{ manifests.MirrorAPI }

func addMirrorAPI(f *pflag.FlagSet, m *mirrorAPI) {
	f.StringVar((*string)(&m.MirrorAPI), "mirror-api", "", "kind of the rules that lead nodes to the mirror, `KIND`: icsp (ImageContentSourcePolicy), idms (ImageDigestMirrorSet, and ImageTagMirrorSet for images named by tag; from 4.13 on), auto (by the cluster's version and rules) (default: icsp, or idms where satchel's rules in the cluster are of that kind)")
}

// check refuses another value. A command without the flag has none.
func (m mirrorAPI) check() error {
	if m.MirrorAPI == "" {
		return nil
	}
	return oneOf("--mirror-api", m.MirrorAPI, manifests.MirrorICSP, manifests.MirrorIDMS, manifests.MirrorAuto)
}

// ruleFlags say how rules are written.
type ruleFlags struct {
	api    mirrorAPI
	policy manifests.SourcePolicy
}

func addRuleFlags(f *pflag.FlagSet, r *ruleFlags) {
	addMirrorAPI(f, &r.api)
	f.StringVar((*string)(&r.policy), "mirror-source-policy", "", "`POLICY` of the rules (with --mirror-api idms or auto): never (nodes pull only from the mirror, also while the internet is there), allow; a change drains every node (default: as the rules in the cluster)")
}

func (r ruleFlags) given() bool {
	return r.api.MirrorAPI != manifests.MirrorICSP && r.api.MirrorAPI != "" || r.policy != ""
}

// into puts what was given into a site.
func (r ruleFlags) into(site *manifests.Site) error {
	site.MirrorAPI, site.SourcePolicy = r.api.MirrorAPI, r.policy
	if r.policy != "" {
		if err := oneOf("--mirror-source-policy", r.policy, manifests.SourceAllow, manifests.SourceNever); err != nil {
			return err
		}
	}
	return r.api.check()
}

// oneOf refuses a value that is not one of a list.
func oneOf[T ~string](flag string, value T, all ...T) error {
	if slices.Contains(all, value) {
		return nil
	}
	var names []string
	for _, v := range all {
		names = append(names, string(v))
	}
	return usage(fmt.Errorf("%s takes %s, and not %q", flag, text.Some(names, len(names)), string(value)), "")
}
