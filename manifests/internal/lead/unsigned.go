package lead

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/manifests/internal/updatepath"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// maxNamed is how many images without a signature APPLY.md lists.
const maxNamed = 300

// refuses reports whether nodes come to refuse an image on the way that the cluster takes now. They
// meet neither what releases consist of that no update leads to, nor what these demand.
func (l *Lead) refuses(u sigstore.Unsigned) bool {
	if l.Reached == nil || len(u.Stages) == 0 {
		return true
	}
	reached := func(v semver.Version) bool { return v.EQ(semver.Version{}) || l.Reached[v.String()] }
	of := sigstore.VersionsOf(u.Image)
	return slices.ContainsFunc(u.Stages, reached) && (len(of) == 0 || slices.ContainsFunc(of, reached))
}

// refused are the images that nodes come to refuse so.
func (l *Lead) refused() []sigstore.Unsigned {
	return slices.DeleteFunc(slices.Clone(l.Site.Unsigned), func(u sigstore.Unsigned) bool { return !l.refuses(u) })
}

// later are those that they would refuse with a release that no update leads to now.
func (l *Lead) later() []sigstore.Unsigned {
	return slices.DeleteFunc(slices.Clone(l.Site.Unsigned), l.refuses)
}

// Withheld reports whether no new rule may lead to images of a source repository: a node that
// finds an image in the mirror, and no signature there, asks nowhere else for it. What only some
// pods or clusters are refused has its rules: the others need them.
func (l *Lead) Withheld(source string) bool {
	return slices.ContainsFunc(l.refused(), func(u sigstore.Unsigned) bool { return u.Everywhere() && u.Image.Source.Name() == source })
}

// withheldSources lists those repositories, sorted.
func (l *Lead) withheldSources() (list []string) {
	for _, u := range l.refused() {
		if u.Everywhere() {
			list = append(list, u.Image.Source.Name())
		}
	}
	return text.Sorted(list)
}

// RuledImages are the images that rules are made for.
func (l *Lead) RuledImages() []oci.Image {
	return slices.DeleteFunc(l.NodeImages(), func(img oci.Image) bool { return l.Withheld(img.Source.Name()) })
}

// UnsignedIn counts the images of a payload's release that nodes of some cluster will refuse.
func (l *Lead) UnsignedIn(payload oci.Image) int {
	of := partOf(payload)
	refused := map[string]bool{}
	for _, u := range l.Site.Unsigned {
		if u.Namespace == "" && of(u.Image) {
			refused[u.Image.Source.WithDigest(u.Image.Root.Digest).String()] = true
		}
	}
	return len(refused)
}

// partOf tells the images of a payload's release, and the payload itself.
func partOf(payload oci.Image) func(oci.Image) bool {
	is := func(r oci.Reason) bool {
		return r.Kind == origin.KindRelease && slices.ContainsFunc(payload.Reasons, func(p oci.Reason) bool { return p.Kind == r.Kind && p.Name == r.Name })
	}
	return func(img oci.Image) bool {
		return slices.ContainsFunc(img.Reasons, is) || img.Source == payload.Source && img.Path == payload.Path
	}
}

// NoUpdate says why a release is not updated to: images that nodes would refuse, of it or of a release
// before it.
func (l *Lead) NoUpdate(payload oci.Image, list []sigstore.Unsigned) string {
	of, own := partOf(payload), map[digest.Digest]bool{}
	others, versions := map[digest.Digest]bool{}, []string{}
	for _, u := range list {
		if of(u.Image) {
			own[u.Image.Root.Digest] = true
			continue
		}
		others[u.Image.Root.Digest] = true
		for _, v := range sigstore.VersionsOf(u.Image) {
			versions = append(versions, v.String())
		}
	}
	var what []string
	if len(own) > 0 {
		what = append(what, text.Count(len(own), "image", "images")+" of it")
	}
	if len(others) > 0 {
		what = append(what, fmt.Sprintf("%s of %s, which they need until the update is done", text.Count(len(others), "image", "images"), text.And(text.Sorted(versions))))
	}
	return fmt.Sprintf("Do not update to %s: nodes would refuse %s, because a signature is missing or wrong (see the step about rules). `oc adm upgrade` has no flag that skips this check of the nodes.",
		origin.PayloadName(payload), strings.Join(what, ", and "))
}

// RefusedFrom lists the images that nodes refuse once the cluster updates to a release: those of it,
// and by its policies those of the releases before it on the way, which they need until it is done.
// before tells the latter.
func (l *Lead) RefusedFrom(to semver.Version, payload oci.Image, running semver.Version, before func(oci.Image) bool) (list []sigstore.Unsigned) {
	of := partOf(payload)
	for _, u := range l.Site.Unsigned {
		when := func(v semver.Version) bool { return slices.ContainsFunc(u.Stages, v.EQ) }
		switch {
		case u.Namespace != "":
		case len(u.Stages) == 0:
			if of(u.Image) {
				list = append(list, u)
			}
		case of(u.Image) && (when(to) || when(running) || when(semver.Version{})):
			list = append(list, u)
		case when(to) && !when(running) && !when(semver.Version{}) && before(u.Image): // not refused already
			list = append(list, u)
		}
	}
	return list
}

// PartOf reports whether an image is one of a payload's release.
func PartOf(payload, img oci.Image) bool { return partOf(payload)(img) }

// NoteUnsigned names images that nodes will refuse.
func (l *Lead) NoteUnsigned() {
	const lists = "because signatures are missing or wrong: the step about rules in %s lists them"
	if sources := l.withheldSources(); len(sources) > 0 {
		l.Note("nodes will refuse images of %s, "+lists, text.Some(sources, 3), handover.FileApply)
	}
	if some := l.refusedSome(); len(some) > 0 {
		l.Note("nodes will refuse some images for %s, "+lists, text.Some(some, 3), handover.FileApply)
	}
	if later := l.later(); len(later) > 0 {
		l.Note("nodes would refuse images with %s, because signatures are missing or wrong: do not update to that; the step about rules in %s lists them", text.Some(l.versionsLater(later), 3), handover.FileApply)
	}
	for _, why := range l.Site.SignaturesUnchecked {
		l.Note("satchel did not check the signatures for %s: nodes do", why)
	}
	for _, other := range l.otherMirrors() {
		l.Note("nodes demand signatures of %s", other)
	}
}

// otherMirrors says of the repositories whose images must be signed which mirrors of others the
// cluster's rules have for them.
func (l *Lead) otherMirrors() (list []string) {
	if l.Site.PresentRules == nil {
		return nil
	}
	nodes := rules.Applied(l.Site.PresentRules.Objects, l.Trust.Insecure(), l.Blocked())
	for _, source := range l.Site.Demanding {
		known := []string{source}
		for _, img := range l.Images {
			for _, m := range l.Mirrors() {
				if img.Source.Name() == source {
					known = append(known, m.Repo(img).Name())
				}
			}
		}
		others := slices.DeleteFunc(nodes.Pull(source), func(at string) bool { return slices.Contains(known, at) })
		if len(others) > 0 {
			list = append(list, fmt.Sprintf("%s, and the cluster's rules have other mirrors for it, where satchel does not look: %s", source, text.Some(others, 5)))
		}
	}
	return list
}

// pageOtherMirrors names mirrors of others that nodes may get unsigned images from.
func (l *Lead) pageOtherMirrors(p *page.Page) {
	if others := l.otherMirrors(); len(others) > 0 {
		p.Text("A node takes the signatures of an image only from the mirror that gives it the image: one that has the image and not its signatures makes the pull fail, even if another mirror has both. Have these signed there too, or take the mirrors out of the rules before the update to a release that demands signatures (taking one out drains the nodes):")
		p.List(others)
	}
}

// stepSignatures is the step where no rule is applied, and there is something to be told.
func (l *Lead) stepSignatures(p *page.Page) {
	if len(l.Site.Unsigned)+len(l.otherMirrors()) == 0 {
		return
	}
	p.Step("Rules: signatures that nodes demand")
	l.stepUnsigned(p, false)
	l.pageOtherMirrors(p)
}

// stepUnsigned stops the reader where new rules would lead nodes to images that they refuse. applies
// says that the step has commands.
func (l *Lead) stepUnsigned(p *page.Page, applies bool) {
	l.pageLater(p)
	l.pageRefusedSome(p)
	if len(l.withheldSources()) == 0 {
		return
	}
	p.Text("**Stop.** The mirror lacks signatures that nodes demand. A node that finds an image in the mirror, but not its signature, does not start it, even if the source can be reached. Pods that need one of these images would not start:")
	everywhere := slices.DeleteFunc(l.refused(), func(u sigstore.Unsigned) bool { return !u.Everywhere() })
	pageUnsigned(p, everywhere)
	l.pageHowSigned(p, everywhere)
	sources := text.Some(l.withheldSources(), 5)
	if l.Growth != nil {
		p.Text("Until then: for %s, the files here have only the rules that are there already, unchanged. Do not delete those either.", sources)
	} else {
		p.Text("Until then: the files here have no rule for %s. Rules that the cluster has for them already stay as they are: do not delete them.", sources)
	}
	if applies {
		p.Text("As far as these images are concerned, the commands of this step may be run all the same: they lead no node to these images that does not go there now. But do not cut the cluster off, and do not update to a release that demands these signatures.")
	}
}

// pageLater stops the reader before releases with which nodes would refuse images, and that no update
// leads to for this reason.
func (l *Lead) pageLater(p *page.Page) {
	later := l.later()
	if len(later) == 0 {
		return
	}
	p.Text("**Stop before any update to %s.** The mirror lacks signatures that nodes would then demand, and pods that need one of these images would not start. This page has no command for such an update. The releases that it does lead to demand none of these signatures, so rules may lead to the images:", text.And(l.versionsLater(later)))
	pageUnsigned(p, later)
	l.pageHowSigned(p, later)
}

// versionsLater are the releases that demand these signatures, or consist of the images.
func (l *Lead) versionsLater(list []sigstore.Unsigned) (names []string) {
	var versions []semver.Version
	for _, u := range list {
		for _, v := range slices.Concat(u.Stages, sigstore.VersionsOf(u.Image)) {
			if !l.Reached[v.String()] && !v.EQ(semver.Version{}) {
				versions = append(versions, v)
			}
		}
	}
	slices.SortFunc(versions, origin.CompareReleases)
	for _, v := range versions {
		names = append(names, v.String())
	}
	return slices.Compact(names)
}

// pageHowSigned says how the signatures of images come into the mirror.
func (l *Lead) pageHowSigned(p *page.Page, list []sigstore.Unsigned) {
	var others []string // releases that are not of this bundle
	own := false
	for _, u := range list {
		of := sigstore.VersionsOf(u.Image)
		if len(of) == 0 || slices.ContainsFunc(l.Images, func(img oci.Image) bool { return img.Root.Digest == u.Image.Root.Digest }) {
			own = true
			continue
		}
		for _, v := range of {
			others = append(others, v.String())
		}
	}
	if own {
		p.Text("To get them: pack again when the signatures can be fetched (`satchel pack --only` with the gap list carries the signatures alone), unpack, and use the files that are written then.")
	}
	if len(others) > 0 {
		p.Text("This bundle does not have %s, and no gap list names what it lacks. To get these signatures: name the release in the configuration (`satchel pack --from-cluster` adds the one that runs), pack, unpack, and use the files that are written then.", text.And(text.Sorted(others)))
	}
}

// refusedSome names for whom alone images are refused.
func (l *Lead) refusedSome() (list []string) {
	for _, u := range l.refused() {
		if !u.Everywhere() {
			list = append(list, u.For())
		}
	}
	return text.Sorted(list)
}

// pageRefusedSome says before the rules which clusters and pods they break.
func (l *Lead) pageRefusedSome(p *page.Page) {
	var clusters, pods []sigstore.Unsigned
	for _, u := range l.refused() {
		switch {
		case u.Everywhere():
		case u.Namespace == "":
			clusters = append(clusters, u)
		default:
			pods = append(pods, u)
		}
	}
	if len(clusters) > 0 {
		p.Text("**Stop if the cluster is one of those named here.** The mirror lacks signatures that its nodes demand. The rules here lead to these images, because other clusters need them; there, no pod that needs one of them would start, even if the source can be reached:")
		pageUnsigned(p, clusters)
		p.Text("For such a cluster, do not run the commands of this step: use the files that `satchel unpack` or `satchel render` writes for it with `--from-cluster`: they have no rules for these images.")
		l.pageHowSigned(p, clusters)
	}
	if len(pods) > 0 {
		p.Text("**The mirror lacks signatures that nodes demand for some pods alone.** The rules here lead to these images, because all other pods need them. From then on, these pods do not start, even if the source can be reached:")
		pageUnsigned(p, pods)
		l.pageHowSigned(p, pods)
		p.Text("If one of these pods must start before, do not apply the rules yet.")
	}
}

// pageUnsigned lists images below the reason that each group of them has.
func pageUnsigned(p *page.Page, list []sigstore.Unsigned) {
	var reasons []string
	images := map[string][]string{}
	for _, u := range list {
		why := UnsignedReason(u)
		if !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
		images[why] = append(images[why], unsignedImage(u))
	}
	for _, why := range reasons {
		p.Text("%s", why)
		p.List(atMost(slices.Compact(images[why]), maxNamed))
	}
}

// UnsignedReason says for whom images are refused, by which policy, and what is wrong.
func UnsignedReason(u sigstore.Unsigned) string {
	who, at := "", ""
	if u.For() != "" {
		who = "For " + page.Markdown(u.For()) + ": "
	}
	if u.At != "" {
		at = " at " + u.At
	}
	why := fmt.Sprintf("does not take the one that is there%s: %s", at, text.OneLine(text.Printable(u.Err.Error())))
	if errors.Is(u.Err, sigstore.ErrNone) {
		why = fmt.Sprintf("there is none%s (tag `sha256-HEX.sig`, by the image's digest)", at)
	}
	return fmt.Sprintf("%s%s demands a signature (%s), and %s:", who, u.Policy, u.When, why)
}

// unsignedImage names one image, what it is, and the manifest that nodes pick from it.
func unsignedImage(u sigstore.Unsigned) string {
	line := "`" + u.Image.Source.WithDigest(u.Image.Root.Digest).String() + "`"
	if words := oci.Words(u.Image.Reasons); len(words) > 0 {
		line += ", " + words[0]
	}
	if u.Platform != "" {
		line += ", " + u.Platform
	}
	if u.Manifest != u.Image.Root.Digest {
		line += ", the manifest `" + string(u.Manifest) + "`"
	}
	return line
}

// PageCutUnsigned stops the reader before the cut where signatures are missing.
func (l *Lead) PageCutUnsigned(p *page.Page) {
	if sources := l.withheldSources(); len(sources) > 0 {
		p.Text("**Stop. The mirror lacks signatures that nodes demand for images of %s, and no new rule leads there: the step about rules in %s lists them. Do not disconnect before they are there: after the cut, nodes get these images from nowhere.**", text.Some(sources, 5), handover.FileApply)
	}
	if some := l.refusedSome(); len(some) > 0 {
		p.Text("**Images lack signatures that are demanded for %s: the step about rules in %s lists them. Bring the signatures before you disconnect, if this cluster or its pods are among those.**", page.Markdown(text.Some(some, 3)), handover.FileApply)
	}
}

// Installable reports whether a new cluster can be installed from a payload in the mirror: its nodes
// refuse nothing of it, and the rules lead to all of it. What only later releases demand, they do not
// ask for.
func (l *Lead) Installable(payload oci.Image) bool {
	of := partOf(payload)
	tag, _ := origin.ParseReleaseTag(origin.PayloadName(payload))
	refused := slices.ContainsFunc(l.Site.Unsigned, func(u sigstore.Unsigned) bool {
		return u.Namespace == "" && of(u.Image) && (len(u.Stages) == 0 || slices.ContainsFunc(u.Stages, func(v semver.Version) bool {
			return !updatepath.MinorOf(tag.Version).Before(updatepath.MinorOf(v))
		}))
	})
	return !refused && len(l.WithheldOf(payload)) == 0
}

// WithheldOf lists the repositories of a release's images that no new rule may lead to.
func (l *Lead) WithheldOf(payload oci.Image) (sources []string) {
	of := partOf(payload)
	for _, img := range l.NodeImages() {
		if of(img) && l.Withheld(img.Source.Name()) {
			sources = append(sources, img.Source.Name())
		}
	}
	return text.Sorted(sources)
}
