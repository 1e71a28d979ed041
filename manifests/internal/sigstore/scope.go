package sigstore

import (
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// For gives the policies that an image must satisfy, all of them: those with the most precise
// scope that covers it. pulled is how pods name it.
func For(policies []*Policy, pulled oci.Ref) (list []*Policy) {
	for _, scope := range scopes(pulled) {
		for _, p := range policies {
			if slices.Contains(p.Scopes, scope) {
				list = append(list, p)
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

// scopes lists what covers an image, the most precise first (containers/image,
// docker/policyconfiguration/naming.go).
func scopes(ref oci.Ref) (list []string) {
	if ref.Digest != "" {
		list = append(list, ref.WithDigest(ref.Digest).String())
	} else if ref.Tag != "" {
		list = append(list, ref.WithTag(ref.Tag).String())
	}
	name := ref.Name()
	for {
		list = append(list, name)
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			break
		}
		name = name[:i]
	}
	host, _, _ := strings.Cut(name, ":")
	for {
		var ok bool
		if _, host, ok = strings.Cut(host, "."); !ok {
			return list
		}
		list = append(list, "*."+host)
	}
}

// within reports whether a scope is one that the other covers (openshift/runtime-utils,
// ScopeIsNestedInsideScope).
func within(scope, wide string) bool {
	if domain, ok := strings.CutPrefix(wide, "*"); ok && scope != wide {
		host, _, _ := strings.Cut(scope, "/")
		name, _, port := strings.Cut(scope, ":")
		if port { // of a host alone
			return strings.HasSuffix(name, domain) && !strings.Contains(name, "/")
		}
		return strings.HasSuffix(host, domain)
	}
	rest, ok := strings.CutPrefix(scope, wide)
	return ok && (rest == "" || rest[0] == '/')
}

// ByNamespace sorts out what pods of each namespace must satisfy; "" stands for those without
// an ImagePolicy. An ImagePolicy counts only where no ClusterImagePolicy covers its scope
// (Machine Config Operator, getValidScopePolicies).
func ByNamespace(policies []*Policy) map[string][]*Policy {
	var wide []*Policy
	own := map[string][]*Policy{}
	for _, p := range policies {
		if p.Namespace == "" {
			wide = append(wide, p)
		}
	}
	covered := func(scope string) bool {
		return slices.ContainsFunc(wide, func(p *Policy) bool {
			return slices.ContainsFunc(p.Scopes, func(s string) bool { return within(scope, s) })
		})
	}
	for _, p := range policies {
		if p.Namespace == "" {
			continue
		}
		narrow := *p
		if narrow.Scopes = slices.DeleteFunc(slices.Clone(p.Scopes), covered); len(narrow.Scopes) > 0 {
			own[p.Namespace] = append(own[p.Namespace], &narrow)
		}
	}
	all := map[string][]*Policy{"": wide}
	for _, ns := range slices.Sorted(maps.Keys(own)) {
		all[ns] = slices.Concat(wide, own[ns])
	}
	return all
}
