package check

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// ask pulls an image as nodes do, once, whoever asks. The error is only that of a run that ends.
func (c *checking) ask(ctx context.Context, w Wanted) (*Image, error) {
	c.mu.Lock()
	q := c.asked[w.Ref]
	if q == nil {
		q = &question{}
		c.asked[w.Ref] = q
	}
	c.mu.Unlock()
	q.once.Do(func() { q.image, q.err = c.pull(ctx, w) })
	if q.err == nil {
		c.because(q.image, w)
	}
	return q.image, q.err
}

// askAside asks for an image that is not to be in the report, unless it is there for another reason.
func (c *checking) askAside(ctx context.Context, w Wanted) (*Image, error) {
	c.mu.Lock()
	known := c.asked[w.Ref] != nil
	c.mu.Unlock()
	if known {
		return c.ask(ctx, w)
	}
	return c.pull(ctx, w)
}

// because adds why an image is asked for.
func (c *checking) because(img *Image, w Wanted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, why := range w.Why {
		if !slices.Contains(img.Why, why) {
			img.Why = append(img.Why, why)
		}
	}
	slices.Sort(img.Why)
	img.needed = img.needed || w.Needed
	for i := range img.findings {
		f := &img.findings[i]
		f.Why = img.Why
		if w.Needed && f.Kind == ByTag {
			f.Fails, f.Do = true, "apply a rule for tags (ImageTagMirrorSet: --mirror-api idms of satchel render)"
		}
	}
}

// pull asks for an image.
func (c *checking) pull(ctx context.Context, w Wanted) (*Image, error) {
	img := &Image{Image: w.Ref.String()}
	if c.Offline {
		return img, c.fromReceipts(w, img)
	}
	p, err := c.node.Pull(ctx, w.Ref)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if refused, ok := errors.AsType[*transport.NodeError](err); ok {
		img.Rule, img.Tried = refused.Rule, triesOf(refused.Tried)
		img.findings = append(img.findings, c.refusal(w, refused))
		return img, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.refusedByName(w, img)
	c.waits(p)
	img.Rule, img.Place, img.Digest, img.MediaType, img.Tried = p.Rule, p.At.Ref.Name(), p.Root.Digest, p.Root.MediaType, triesOf(p.Tried)
	if d := c.carried.names[w.Ref]; d != "" && d != p.Root.Digest {
		img.findings = append(img.findings, c.found(w, p, Moved, fmt.Sprintf("the tag names another image in %s (%s) than the one that was carried (%s)", p.At.Ref.Name(), p.Root.Digest, d), "if a later bundle moved it, have the mirror's receipts count (--to HOST[:PORT][/NAMESPACE]); if none did, set the tag again: satchel unpack of the bundle that has it"))
	}
	looked, err := c.parts(ctx, w, p, img)
	if !w.Attached {
		s := &served{ref: w.Ref, at: p.At, root: p.Root, looked: looked, image: img}
		if oci.IsIndex(p.Root.MediaType) {
			s.body = p.Body
		}
		c.mu.Lock()
		c.served = append(c.served, s)
		c.mu.Unlock()
	}
	return img, errors.Join(err, p.Close())
}

// waits notes the places that nodes wait for, and that give nothing, before another one gives them an image.
func (c *checking) waits(p *transport.NodePull) {
	for _, t := range p.Tried {
		if sort, _ := transport.NodeTrouble(t.Err); sort == transport.TroubleNotFound {
			continue
		}
		kind, wrong, do := c.wrongAt(t.Place, t.Err)
		c.mu.Lock()
		if c.waited[t.Place.Ref.Registry] == nil {
			c.waited[t.Place.Ref.Registry] = &Finding{Kind: kind, Object: "mirror " + t.Place.Ref.Registry, Rule: p.Rule, Wrong: wrong + ". Nodes ask it first, each time, and get the image from " + p.At.Ref.Registry, Do: do}
		}
		c.mu.Unlock()
	}
}

func triesOf(tried []transport.NodeTry) (list []Try) {
	for _, t := range tried {
		list = append(list, Try{t.Place.Ref.Name(), answered(t.Place, t.Err)})
	}
	return list
}

// refusal says why no place gave an image.
func (c *checking) refusal(w Wanted, e *transport.NodeError) Finding {
	f := Finding{Fails: !w.Attached, Image: w.Ref.String(), Rule: e.Rule, Tried: triesOf(e.Tried)}
	mirrors := slices.DeleteFunc(slices.Clone(e.Tried), func(t transport.NodeTry) bool {
		_, blocked := errors.AsType[*transport.BlockedError](t.Err)
		away, source := errors.AsType[*transport.SourceError](t.Err)
		return t.Place.Source && (blocked || source && away.Host == t.Place.Ref.Registry)
	})
	switch {
	case len(mirrors) > 0:
		c.answer(&f, mirrors)
	case w.Ref.Digest == "" && c.ruled(w.Ref):
		f.Kind, f.Rule = ByTag, w.Ref.Name()
		f.Wrong = "it is pulled by tag, and no rule for tags covers it"
		f.Do = "name it by digest, or by its name in the mirror; or apply a rule for tags (ImageTagMirrorSet: --mirror-api idms)"
		f.Fails = false // whether anything names it so, the workloads of a cluster say
	default:
		c.withoutRule(&f, w)
	}
	if w.Attached && f.Kind == Missing {
		f.Kind = Attachment
	}
	return f
}

// withoutRule says that nothing leads to a mirror.
func (c *checking) withoutRule(f *Finding, w Wanted) {
	f.Kind, f.Wrong = NoRule, "no rule leads from "+w.Ref.Name()+" to a mirror"
	if b := c.rules.Before; b != nil && len(c.Handover.Deletes) > 0 && w.Ref.Digest != "" && slices.ContainsFunc(b.Pull(w.Ref.Name()), func(at string) bool { return at != w.Ref.Name() }) {
		f.Wrong += " once the commands of APPLY.md have deleted " + text.Some(c.Handover.Deletes, 3)
		f.Do = "do not delete the object that has the rule: run the commands of APPLY.md without it"
		return
	}
	f.Do = "write the files for the cluster again (satchel render), and apply the rules"
	if !c.carried.hosts[w.Ref.Name()] {
		f.Do = "carry it with the next bundle (additionalImages), and apply the rules that satchel then writes; a registry that nodes reach after the cut too is named with --inside " + w.Ref.Registry
	}
}

// ruled reports whether pulls by digest from a repository have a mirror.
func (c *checking) ruled(ref oci.Ref) bool {
	route, err := c.node.Route(oci.Ref{Registry: ref.Registry, Repository: ref.Repository, Digest: digest.FromString("")})
	return err == nil && len(route.Places) > 1
}

// answer puts into a finding what mirrors answered: the one that images were pushed to decides, else the first
// that did not simply lack it.
func (c *checking) answer(f *Finding, tried []transport.NodeTry) {
	decides := tried[0]
	if i := slices.IndexFunc(tried, func(t transport.NodeTry) bool { return c.isMirror(t.Place.Ref.Registry) }); i >= 0 {
		decides = tried[i] // it is the one that is to have it
	} else if i := slices.IndexFunc(tried, func(t transport.NodeTry) bool {
		sort, _ := transport.NodeTrouble(t.Err)
		return sort != transport.TroubleNotFound
	}); i >= 0 {
		decides = tried[i]
	}
	f.Kind, f.Wrong, f.Do = c.wrongAt(decides.Place, decides.Err)
}

// isMirror reports whether a registry is the mirror: images were pushed to it, by receipts and --to, or the files for
// the cluster have nodes know it by that name.
func (c *checking) isMirror(registry string) bool {
	c.known.once.Do(func() { c.known.mirror = append(c.mirrorHosts(), c.nodeMirrors()...) })
	return slices.Contains(c.known.mirror, registry)
}

// onward is the source that a place sends nodes on to; "" for none.
func onward(at transport.NodePlace, err error) string {
	if away, ok := errors.AsType[*transport.SourceError](err); ok && away.Host != at.Ref.Registry {
		return away.Host
	}
	return ""
}

// answered says for people what a place answered.
func answered(at transport.NodePlace, err error) string {
	if host := onward(at, err); host != "" {
		return "it sends nodes on to " + host + ", which they do not reach after the cut"
	}
	_, words := transport.NodeTrouble(err)
	return words
}

// wrongAt says what is wrong with a place, and what to do.
func (c *checking) wrongAt(at transport.NodePlace, err error) (kind Kind, wrong, do string) {
	sort, _ := transport.NodeTrouble(err)
	wrong = at.Ref.Name() + ": " + answered(at, err)
	if host := onward(at, err); host != "" {
		return Elsewhere, wrong, "have the mirror keep what it serves, and give out its tokens itself; or, if nodes reach that host after the cut too, name it: --inside " + host
	}
	if _, source := errors.AsType[*transport.SourceError](err); source {
		return Elsewhere, wrong, "correct the rule, which leads to a registry that images come from; or, if nodes reach it after the cut too, name it: --inside " + at.Ref.Registry
	}
	if _, rule := errors.AsType[*transport.ConfigError](err); rule {
		return Refused, wrong, "correct the rule that covers it"
	}
	switch sort {
	case transport.TroubleNotFound:
		return Missing, at.Ref.String() + " is not there", c.missingDo(at)
	case transport.TroubleDamaged:
		return Damaged, wrong, "push it again, and do not delete the image: satchel unpack of the bundle that has it says which file the registry's storage must lose first"
	case transport.TroubleUnauthorized, transport.TroubleForbidden, transport.TroublePassword:
		by, do := c.login(at)
		return Credential, wrong + "; " + by, do
	case transport.TroubleAuthority, transport.TroubleExpired, transport.TroubleHostName, transport.TroubleTLS:
		return Certificate, wrong, "apply the authorities that signed the mirror's certificate (--ca-file of satchel render), or correct the certificate"
	case transport.TroublePlainHTTP:
		return Certificate, wrong, "give the mirror a certificate, or have nodes use it without TLS (insecureRegistries of image.config)"
	case transport.TroubleProxy:
		return Unreachable, wrong, "name the mirror in NO_PROXY, and run this again: nodes do not use the proxy of this host"
	case transport.TroubleRefused, transport.TroubleName, transport.TroubleLost:
		return Unreachable, wrong, "see that the mirror answers by the name that nodes use"
	case transport.TroubleBlocked:
		return Blocked, wrong, "take the mirror out of blockedRegistries of image.config"
	}
	return Refused, wrong, "see what the registry's own log says of this"
}

// login says by which entry nodes log in to a place, and what to do about it.
func (c *checking) login(at transport.NodePlace) (by, do string) {
	do = "give nodes a credential that may pull this repository (--node-authfile of satchel render), and apply the pull secret"
	entry, ok := "", false
	if c.secret != nil {
		entry, ok = c.secret.Covers(at.Ref.Name())
	}
	switch {
	case !ok:
		return "nodes have no credential for it, and ask without one", do
	case strings.Contains(entry, "/") && c.secret.Has(at.Ref.Registry):
		return "nodes log in by the entry " + entry + " of their pull secret, and not by the one for " + at.Ref.Registry, "remove the entry " + entry + " from the cluster's pull secret, or give it a credential that may pull this repository"
	}
	return "nodes log in by the entry " + entry + " of their pull secret", do
}

// missingDo says what to do about an image that a place does not have.
func (c *checking) missingDo(at transport.NodePlace) string {
	const push = "push it again: satchel unpack of the bundle that has it"
	if at.Ref.Digest == "" || c.nothingCarried() || !c.isMirror(at.Ref.Registry) || c.carried.manifests[at.Ref.Repository][at.Ref.Digest] {
		return push
	}
	var in []string
	for repo, has := range c.carried.manifests {
		if !has[at.Ref.Digest] {
			continue
		}
		if c.laidOut(at.Ref, repo) {
			return push
		}
		in = append(in, repo)
	}
	if len(in) > 0 {
		return "correct the rule: it leads to " + at.Ref.Name() + ", and the image was pushed to " + text.Some(text.Sorted(in), 2) + ". Write the files for the cluster again (satchel render), and apply the rules"
	}
	if len(c.Bundles) > 0 {
		return push
	}
	return "no receipt says that it was pushed there: carry it with the next bundle; or, if the mirror has it elsewhere, write the files for the cluster again (satchel render)"
}

// laidOut reports whether nodes find a repository of receipts at a place: other rules lead to the same namespace.
func (c *checking) laidOut(at oci.Ref, repo string) bool {
	return slices.ContainsFunc(c.carried.mirrors, func(m oci.Mirror) bool {
		base, ok := strings.CutSuffix(at.Name(), within(m, repo))
		return ok && (base == strings.TrimSuffix(c.address(m), "/") || slices.ContainsFunc(c.rules.Mirrors(), func(place string) bool {
			return strings.HasPrefix(place, base+"/") && !strings.HasPrefix(at.Name()+"/", place+"/")
		}))
	})
}

// parts looks at what the manifest names.
func (c *checking) parts(ctx context.Context, w Wanted, p *transport.NodePull, img *Image) (looked []digest.Digest, err error) {
	if !oci.IsIndex(p.Root.MediaType) {
		if err := c.image(ctx, w, p, img, p.Root, p.Body); err != nil {
			return nil, err
		}
		return nil, c.architecture(ctx, w, p, img)
	}
	m, err := oci.ParseManifest(p.Root, p.Body)
	if err != nil {
		img.findings = append(img.findings, c.found(w, p, Damaged, fmt.Sprintf("its index cannot be read: %v", err), ""))
		return nil, nil
	}
	for _, child := range c.chosen(w, p, m, img) {
		looked = append(looked, child.Digest)
		before := len(img.findings)
		body, d, err := p.Manifest(ctx, child.Digest)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			kind, wrong, do := c.wrongAt(p.At, err)
			if kind == Missing {
				wrong = fmt.Sprintf("its image for %s (%s) is not in %s", platformOf(child), child.Digest, p.At.Ref.Name())
			}
			img.findings = append(img.findings, c.found(w, p, kind, wrong, do))
			img.findings[before].part = child.Digest
			continue
		}
		img.Platforms = append(img.Platforms, platformOf(child))
		if err := c.image(ctx, w, p, img, d, body); err != nil {
			return nil, err
		}
		for i := before; i < len(img.findings); i++ {
			img.findings[i].part = child.Digest
		}
	}
	img.Platforms = text.Sorted(img.Platforms)
	return looked, nil
}

// architecture notes which nodes a single image is for, where workloads need it.
func (c *checking) architecture(ctx context.Context, w Wanted, p *transport.NodePull, img *Image) error {
	m, err := oci.ParseManifest(p.Root, p.Body)
	if err != nil || w.Arch == nil || len(img.findings) > 0 || m.Config == nil {
		//lint:ignore nilerr what is wrong with the manifest is said already
		return nil
	}
	rc, err := p.Open(ctx, *m.Config, 0)
	var has struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
	}
	if err == nil {
		err = errors.Join(json.NewDecoder(io.LimitReader(rc, 8<<20)).Decode(&has), rc.Close())
	}
	if err != nil { // an artifact has another configuration; that it is all there was looked at
		return ctx.Err()
	}
	if has.Architecture != "" {
		img.offers = []string{text.Printable(cmp.Or(has.OS, "linux") + "/" + has.Architecture)}
	}
	return nil
}

// platformsOf lists the platforms of an index; none where some child says none.
func platformsOf(m *oci.Manifest) (list []string) {
	for _, child := range m.Manifests {
		switch name := platformOf(child); {
		case child.Platform == nil:
			return nil
		case name != "unknown/unknown":
			list = append(list, text.Printable(name))
		}
	}
	return list
}

func platformOf(d oci.Descriptor) string {
	if d.Platform == nil {
		return "any platform"
	}
	return oci.PlatformString(d.Platform)
}

// found makes a finding of an image that was served.
func (c *checking) found(w Wanted, p *transport.NodePull, kind Kind, wrong, do string) Finding {
	if w.Attached && kind == Missing {
		kind = Attachment
	}
	return Finding{Kind: kind, Fails: !w.Attached, Image: w.Ref.String(), Rule: p.Rule, Tried: append(triesOf(p.Tried), Try{p.At.Ref.Name(), wrong}), Wrong: wrong, Do: do}
}

// chosen lists the manifests of an index that are to be there: those that receipts say are carried, and
// those that nodes of the known architectures choose.
func (c *checking) chosen(w Wanted, p *transport.NodePull, m *oci.Manifest, img *Image) (list []oci.Descriptor) {
	arch := w.Arch
	known := false
	img.offers = platformsOf(m)
	for _, child := range m.Manifests {
		has, is := c.carried.has(p.At.Ref.Repository, p.Root.Digest, child.Digest)
		if left, of := c.carried.omitted[p.Root.Digest]; of && !is {
			has, is = !slices.Contains(left, child.Digest), true
		}
		known = known || is
		if has && platformOf(child) != "unknown/unknown" {
			list = append(list, child)
		}
	}
	if arch == nil && known {
		img.findings = append(img.findings, c.otherNodes(w, p, m, list)...)
	}
	if arch == nil && !known {
		arch = c.carried.arch
	}
	if arch == nil && !known {
		arch = []string{runtime.GOARCH}
	}
	pick := arch
	if pick == nil {
		pick = c.carried.arch
	}
	for _, a := range pick {
		if d, err := p.Choose(a); err == nil && !w.Attached {
			img.picked = append(img.picked, picked{a, d})
		}
	}
	for _, a := range arch {
		d, err := p.Choose(a)
		if err != nil {
			continue
		}
		i := slices.IndexFunc(m.Manifests, func(child oci.Descriptor) bool { return child.Digest == d })
		if i >= 0 && !slices.ContainsFunc(list, func(have oci.Descriptor) bool { return have.Digest == d }) {
			list = append(list, m.Manifests[i])
		}
	}
	if len(list) == 0 && len(img.findings) == 0 && !w.Attached && w.Arch == nil {
		img.findings = append(img.findings, c.found(w, p, Architecture, "its index has no image for nodes of "+cmp.Or(text.Or(arch), "any kind that is carried"), "carry the image for that platform too"))
	}
	return list
}

// otherNodes warns of nodes of the cluster for which nothing of an index was carried.
func (c *checking) otherNodes(w Wanted, p *transport.NodePull, m *oci.Manifest, carried []oci.Descriptor) (list []Finding) {
	if w.Attached {
		return nil
	}
	for _, arch := range c.Cluster.Architectures() {
		d, err := p.Choose(arch)
		wrong := "its index has no image for nodes of " + arch + ", which the cluster has"
		if err == nil {
			wrong = "its image for nodes of " + arch + ", which the cluster has, was not carried"
		}
		if err != nil || !slices.ContainsFunc(carried, func(have oci.Descriptor) bool { return have.Digest == d }) {
			f := c.found(w, p, Architecture, wrong, "if it is to run on those nodes, carry the image for that platform too")
			f.Fails = false
			list = append(list, f)
		}
	}
	return list
}

// image looks at the blobs of one manifest.
func (c *checking) image(ctx context.Context, w Wanted, p *transport.NodePull, img *Image, d oci.Descriptor, body []byte) error {
	m, err := oci.ParseManifest(d, body)
	if err != nil {
		img.findings = append(img.findings, c.found(w, p, Damaged, fmt.Sprintf("its manifest cannot be read: %v", err), ""))
		return nil
	}
	type part struct {
		what string
		d    oci.Descriptor
		read bool
	}
	var list []part
	if m.Config != nil {
		list = append(list, part{"configuration", *m.Config, true})
	}
	for _, l := range m.Layers {
		if c.Depth == Configs && !w.Attached && len(l.URLs) == 0 {
			continue
		}
		list = append(list, part{"layer", l, c.Depth == Bytes})
	}
	for _, b := range list {
		if len(b.d.URLs) > 0 {
			img.findings = append(img.findings, c.found(w, p, Elsewhere, fmt.Sprintf("nodes fetch its layer %s from the address that its manifest names, and not from a mirror: %s", b.d.Digest, text.Printable(b.d.URLs[0])), "nodes that run it must reach that address, or the image is built without such layers"))
			continue
		}
		err := p.Blob(ctx, b.d, b.read)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			kind, wrong, do := c.wrongAt(p.At, err)
			if kind == Missing {
				wrong = fmt.Sprintf("its %s %s is not in %s", b.what, b.d.Digest, p.At.Ref.Name())
			} else {
				wrong = fmt.Sprintf("its %s %s: %s", b.what, b.d.Digest, strings.TrimPrefix(wrong, p.At.Ref.Name()+": "))
			}
			img.findings = append(img.findings, c.found(w, p, kind, wrong, do))
		}
	}
	return nil
}
