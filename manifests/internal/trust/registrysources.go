package trust

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// CheckSources compares the cluster's registrySources with the mirror and the
// images. What nodes do with them (machine config operator, "updatePolicyJSON"
// and "getValidBlockedAndAllowedRegistries"): a blocked registry is refused in
// registries.conf, by the name of the mirror that is tried, and in policy.json,
// by the name that a pod gives; allowed ones count only in policy.json. So an
// image whose own name is blocked or not allowed is refused even from the mirror;
// the payload's own repository is never blocked.
func (t *Trust) CheckSources() error {
	img := t.Site.PresentImage
	if img == nil {
		return nil
	}
	src := img.Sources
	if len(src.Allowed) > 0 && len(src.Blocked) > 0 {
		t.Note("image.config.openshift.io/cluster has both allowedRegistries and blockedRegistries: nodes apply neither of them, and no later change")
	}
	for _, repo := range t.MirrorRepos() {
		if scope, ok := Blocks(repo, src.Blocked); ok {
			return &site.SiteError{
				Field:  "PresentImage",
				Msg:    fmt.Sprintf("nodes would never pull from %s: image.config.openshift.io/cluster has %s in blockedRegistries", repo, scope),
				Advice: "remove it (oc edit image.config.openshift.io/cluster; a change of blockedRegistries drains every node), save the image.config again, and give the new file",
			}
		}
		if len(src.Allowed) > 0 && !handover.Within(repo, src.Allowed) {
			return &site.SiteError{
				Field:  "PresentImage",
				Msg:    fmt.Sprintf("nodes may not pull from %s: image.config.openshift.io/cluster has allowedRegistries, and the mirror is not among them", repo),
				Advice: fmt.Sprintf("add %s to spec.registrySources.allowedRegistries and change nothing else there (oc edit image.config.openshift.io/cluster; a change of blockedRegistries would drain every node), save the image.config again, and give the new file", repo[:strings.IndexByte(repo, '/')]),
			}
		}
	}
	t.noteSources(src)
	if handover.Within(t.Mirrors()[0].String(), src.Insecure) && !t.Site.PlainHTTP {
		t.Note("image.config.openshift.io/cluster has the mirror in insecureRegistries: nodes do not check its certificate")
	}
	return nil
}

// noteSources names the carried repositories that nodes refuse by their own name.
func (t *Trust) noteSources(src site.RegistrySources) {
	payloads := map[string]bool{}
	for _, p := range t.Payloads {
		payloads[p.Source.Name()] = true
	}
	var blocked, foreign []string
	for _, name := range t.sourceRepos() {
		if handover.Within(name, src.Blocked) && !payloads[name] {
			blocked = append(blocked, name)
		}
		if len(src.Allowed) > 0 && !handover.Within(name, src.Allowed) {
			foreign = append(foreign, name)
		}
	}
	const refused = "nodes refuse the images of %s, even from the mirror: image.config.openshift.io/cluster %s"
	if len(blocked) > 0 {
		t.Note(refused, text.Some(blocked, 3), "has them in blockedRegistries; with the rules there is no need to block them: remove them there (this drains every node)")
	}
	if len(foreign) > 0 {
		t.Note(refused, text.Some(foreign, 3), "has allowedRegistries, and they are not among them: add them")
	}
}

// MirrorRepos lists the repositories of the mirror, at each address that nodes pull from, sorted.
func (t *Trust) MirrorRepos() (list []string) {
	for _, m := range t.Mirrors() {
		list = append(list, Repos(t.Images, func(img oci.Image) string { return m.Repo(img).Name() })...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// sourceRepos lists the source repositories that nodes know, sorted.
func (t *Trust) sourceRepos() []string {
	return Repos(t.NodeImages(), func(img oci.Image) string { return img.Source.Name() })
}

// Repos lists the names that images have, each once, sorted.
func Repos(images []oci.Image, of func(oci.Image) string) []string {
	seen := map[string]bool{}
	for _, img := range images {
		seen[of(img)] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// Blocks finds a scope that keeps nodes from a repository. In registries.conf a
// host without a port stands for all its ports (containers/image, "refMatchingPrefix").
func Blocks(repo string, scopes []string) (string, bool) {
	for _, s := range scopes {
		if rules.Within(repo, s) || strings.HasPrefix(repo, s+":") {
			return s, true
		}
	}
	return "", false
}
