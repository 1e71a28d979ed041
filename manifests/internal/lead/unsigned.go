package lead

import (
	"errors"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// maxNamed is how many images without a signature APPLY.md lists.
const maxNamed = 300

// Withheld reports whether no new rule may lead to images of a source repository: a node that
// finds an image in the mirror, and no signature there, asks nowhere else for it. What only some
// pods or clusters are refused has its rules: the others need them.
func (l *Lead) Withheld(source string) bool {
	return slices.ContainsFunc(l.Site.Unsigned, func(u sigstore.Unsigned) bool { return u.Everywhere() && u.Image.Source.Name() == source })
}

// withheldSources lists those repositories, sorted.
func (l *Lead) withheldSources() (list []string) {
	for _, u := range l.Site.Unsigned {
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
	is := func(r oci.Reason) bool {
		return r.Kind == origin.KindRelease && slices.ContainsFunc(payload.Reasons, func(p oci.Reason) bool { return p.Kind == r.Kind && p.Name == r.Name })
	}
	refused := map[string]bool{}
	for _, u := range l.Site.Unsigned {
		if u.Namespace == "" && (slices.ContainsFunc(u.Image.Reasons, is) || u.Image.Source == payload.Source && u.Image.Path == payload.Path) {
			refused[u.Image.Source.WithDigest(u.Image.Root.Digest).String()] = true
		}
	}
	return len(refused)
}

// NoUpdate says why a release is not updated to.
func (l *Lead) NoUpdate(payload oci.Image) string {
	return fmt.Sprintf("Do not update to %s: nodes would refuse %s of it, because a signature is missing or wrong (see the step about rules). `oc adm upgrade` has no flag that skips this check of the nodes.",
		origin.PayloadName(payload), text.Count(l.UnsignedIn(payload), "image", "images"))
}

// NoteUnsigned names images that nodes will refuse.
func (l *Lead) NoteUnsigned() {
	const lists = "because signatures are missing or wrong: the step about rules in %s lists them"
	if sources := l.withheldSources(); len(sources) > 0 {
		l.Note("nodes will refuse images of %s, "+lists, text.Some(sources, 3), handover.FileApply)
	}
	if some := l.refusedSome(); len(some) > 0 {
		l.Note("nodes will refuse some images for %s, "+lists, text.Some(some, 3), handover.FileApply)
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

// stepUnsigned stops the reader where new rules would lead nodes to images that they refuse.
func (l *Lead) stepUnsigned(p *page.Page) {
	l.pageRefusedSome(p)
	if len(l.withheldSources()) == 0 {
		return
	}
	p.Text("**Stop.** The mirror lacks signatures that nodes demand. A node that finds an image in the mirror, but not its signature, does not start it, even if the source can be reached. Pods that need one of these images would not start:")
	var list []string
	for _, u := range l.Site.Unsigned {
		if u.Everywhere() {
			list = append(list, UnsignedLine(u))
		}
	}
	p.List(atMost(slices.Compact(list), maxNamed))
	p.Text(howSigned)
	sources := text.Some(l.withheldSources(), 5)
	if l.Growth != nil {
		p.Text("Until then: for %s, the files here have only the rules that are there already, unchanged. Do not delete those either.", sources)
	} else {
		p.Text("Until then: the files here have no rule for %s. Rules that the cluster has for them already stay as they are: do not delete them.", sources)
	}
}

const howSigned = "To get them: pack again when the signatures can be fetched (`satchel pack --only` with the gap list carries the signatures alone), unpack, and use the files that are written then."

// refusedSome names for whom alone images are refused.
func (l *Lead) refusedSome() (list []string) {
	for _, u := range l.Site.Unsigned {
		if !u.Everywhere() {
			list = append(list, u.For())
		}
	}
	return text.Sorted(list)
}

// pageRefusedSome says before the rules which clusters and pods they break.
func (l *Lead) pageRefusedSome(p *page.Page) {
	var clusters, pods []string
	for _, u := range l.Site.Unsigned {
		switch line := fmt.Sprintf("For %s: %s", page.Markdown(u.For()), UnsignedLine(u)); {
		case u.Everywhere():
		case u.Namespace == "":
			clusters = append(clusters, line)
		default:
			pods = append(pods, line)
		}
	}
	if len(clusters) > 0 {
		p.Text("**Stop if the cluster is one of those named here.** The mirror lacks signatures that its nodes demand. The rules here lead to these images, because other clusters need them; there, no pod that needs one of them would start, even if the source can be reached:")
		p.List(atMost(slices.Compact(clusters), maxNamed))
		p.Text("For such a cluster, use the files that `satchel unpack` or `satchel render` writes for it with `--from-cluster`: they have no rules for these images.")
		p.Text(howSigned)
	}
	if len(pods) > 0 {
		p.Text("**The mirror lacks signatures that nodes demand for some pods alone.** The rules here lead to these images, because all other pods need them. From then on, these pods do not start, even if the source can be reached:")
		p.List(atMost(slices.Compact(pods), maxNamed))
		p.Text(howSigned)
		p.Text("If one of these pods must start before, do not apply the rules yet.")
	}
}

// UnsignedLine names one image, what it is, and what its signature lacks.
func UnsignedLine(u sigstore.Unsigned) string {
	what := ""
	if words := oci.Words(u.Image.Reasons); len(words) > 0 {
		what = ", " + words[0]
	}
	if u.Platform != "" {
		what += ", " + u.Platform
	}
	why := "its signature: " + u.Err.Error()
	if errors.Is(u.Err, sigstore.ErrNone) {
		why = fmt.Sprintf("no signature (tag `%s`)", sigstore.Tag(u.Manifest))
	}
	if u.At != "" {
		why = "at " + u.At + ": " + why
	}
	return fmt.Sprintf("`%s`%s: %s. %s demands one (%s).", u.Image.Source.WithDigest(u.Image.Root.Digest), what, text.OneLine(text.Printable(why)), u.Policy, u.When)
}
