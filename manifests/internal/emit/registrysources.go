package emit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// checkSources compares the cluster's registrySources with the mirror and the
// images. What nodes do with them (machine config operator, "updatePolicyJSON"
// and "getValidBlockedAndAllowedRegistries"): a blocked registry is refused in
// registries.conf, by the name of the mirror that is tried, and in policy.json,
// by the name that a pod gives; allowed ones count only in policy.json. So an
// image whose own name is blocked or not allowed is refused even from the mirror;
// the payload's own repository is never blocked.
func (e *emission) checkSources() error {
	img := e.site.PresentImage
	if img == nil {
		return nil
	}
	src := img.Sources
	if len(src.Allowed) > 0 && len(src.Blocked) > 0 {
		e.note("image.config.openshift.io/cluster has both allowedRegistries and blockedRegistries: nodes apply neither of them, and no later change")
	}
	for _, repo := range e.mirrorRepos() {
		if scope, ok := blocks(repo, src.Blocked); ok {
			return &SiteError{
				Field: "PresentImage",
				Msg:   fmt.Sprintf("nodes would never pull from %s: image.config.openshift.io/cluster has %s in blockedRegistries", repo, scope),
				hint:  "remove it (oc edit image.config.openshift.io/cluster; a change of blockedRegistries drains every node), save the image.config again, and give the new file",
			}
		}
		if len(src.Allowed) > 0 && !within(repo, src.Allowed) {
			return &SiteError{
				Field: "PresentImage",
				Msg:   fmt.Sprintf("nodes may not pull from %s: image.config.openshift.io/cluster has allowedRegistries, and the mirror is not among them", repo),
				hint:  fmt.Sprintf("add %s to spec.registrySources.allowedRegistries and change nothing else there (oc edit image.config.openshift.io/cluster; a change of blockedRegistries would drain every node), save the image.config again, and give the new file", repo[:strings.IndexByte(repo, '/')]),
			}
		}
	}
	e.noteSources(src)
	if within(e.mirrors()[0].String(), src.Insecure) && !e.site.PlainHTTP {
		e.note("image.config.openshift.io/cluster has the mirror in insecureRegistries: nodes do not check its certificate")
	}
	return nil
}

// noteSources names the carried repositories that nodes refuse by their own name.
func (e *emission) noteSources(src RegistrySources) {
	payloads := map[string]bool{}
	for _, p := range e.payloads {
		payloads[p.Source.Name()] = true
	}
	var blocked, foreign []string
	for _, name := range e.sourceRepos() {
		if within(name, src.Blocked) && !payloads[name] {
			blocked = append(blocked, name)
		}
		if len(src.Allowed) > 0 && !within(name, src.Allowed) {
			foreign = append(foreign, name)
		}
	}
	const refused = "nodes refuse the images of %s, even from the mirror: image.config.openshift.io/cluster %s"
	if len(blocked) > 0 {
		e.note(refused, text.Some(blocked, 3), "has them in blockedRegistries; with the rules there is no need to block them: remove them there (this drains every node)")
	}
	if len(foreign) > 0 {
		e.note(refused, text.Some(foreign, 3), "has allowedRegistries, and they are not among them: add them")
	}
}

// mirrorRepos lists the repositories of the mirror, at each address that nodes pull from, sorted.
func (e *emission) mirrorRepos() (list []string) {
	for _, m := range e.mirrors() {
		list = append(list, repos(e.images, func(img oci.Image) string { return m.Repo(img).Name() })...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// sourceRepos lists the source repositories that nodes know, sorted.
func (e *emission) sourceRepos() []string {
	return repos(e.nodeImages(), func(img oci.Image) string { return img.Source.Name() })
}

func repos(images []oci.Image, of func(oci.Image) string) []string {
	seen := map[string]bool{}
	for _, img := range images {
		seen[of(img)] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func within(repo string, scopes []string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return rules.Within(repo, s) })
}

// blocks finds a scope that keeps nodes from a repository. In registries.conf a
// host without a port stands for all its ports (containers/image, "refMatchingPrefix").
func blocks(repo string, scopes []string) (string, bool) {
	for _, s := range scopes {
		if rules.Within(repo, s) || strings.HasPrefix(repo, s+":") {
			return s, true
		}
	}
	return "", false
}

// ImageConfig is the cluster's present image.config.openshift.io/cluster.
type ImageConfig struct {
	TrustedCA string // name of the ConfigMap in openshift-config; may be empty
	Sources   RegistrySources
}

// RegistrySources are image.config's spec.registrySources: each entry is
// HOST[:PORT][/PATH] or *.DOMAIN, or names one image by its tag or digest.
type RegistrySources struct {
	Insecure []string `json:"insecureRegistries"`
	Blocked  []string `json:"blockedRegistries"`
	Allowed  []string `json:"allowedRegistries"`
}

// ParseImageConfig reads what "oc get image.config.openshift.io/cluster -o yaml"
// (or json) prints. Errors are *[imageset.ConfigError]s.
func ParseImageConfig(file string, data []byte) (*ImageConfig, error) {
	var in struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       struct {
			AdditionalTrustedCA struct {
				Name string `json:"name"`
			} `json:"additionalTrustedCA"`
			Sources RegistrySources `json:"registrySources"`
		} `json:"spec"`
	}
	p, err := peek(file, data, &in)
	if err != nil {
		return nil, err
	}
	name := in.Spec.AdditionalTrustedCA.Name
	switch {
	case in.Kind != "Image" || !strings.HasPrefix(in.APIVersion, "config.openshift.io/"):
		p.Add("kind", "this is another object; it must be image.config.openshift.io/cluster")
	case name != "" && (len(name) > 253 || !namePattern.MatchString(name)):
		p.Add("spec.additionalTrustedCA.name", "spec.additionalTrustedCA.name is not the name of a ConfigMap")
	}
	src := in.Spec.Sources
	for _, list := range []struct {
		name    string
		entries []string
	}{{"insecureRegistries", src.Insecure}, {"blockedRegistries", src.Blocked}, {"allowedRegistries", src.Allowed}} {
		for i, entry := range list.entries {
			if path := fmt.Sprintf("spec.registrySources.%s[%d]", list.name, i); !scopePattern.MatchString(entry) {
				p.Add(path, "%s is neither HOST[:PORT][/PATH] nor *.DOMAIN", path)
			}
		}
	}
	if err := p.Join(); err != nil {
		return nil, err
	}
	return &ImageConfig{TrustedCA: name, Sources: src}, nil
}
