package unpack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// UnsignedError says that nodes will refuse images of a bundle, because the mirror lacks
// signatures that they demand. All else was done.
type UnsignedError struct {
	Mirror string
	Images []manifests.Unsigned
	Wrote  bool // the YAML, which names them
}

func (e *UnsignedError) Error() string {
	n := map[digest.Digest]bool{}
	for _, u := range e.Images {
		n[u.Image.Root.Digest] = true
	}
	return fmt.Sprintf("nodes will refuse %s: signatures are missing in %s, or wrong, such as that of %s", text.Count(len(n), "image", "images"), cmp.Or(e.Images[0].At, e.Mirror), e.Images[0].Image.Describe())
}

// Hint says what to do now.
func (e *UnsignedError) Hint() string {
	hint := "carry the signatures with a later bundle, as the gap list of this one says, or pack the release again from a registry that has them"
	if e.Wrote {
		hint += "; until then, the step about rules in APPLY.md says what not to do"
	}
	return hint
}

// Permanent reports that the same answer comes again.
func (e *UnsignedError) Permanent() bool { return true }

// checkSigned looks at the signatures that nodes of each cluster demand: as nodes find them at
// each address that they pull from, or, if those are not to be asked, as the bundle has them.
func (u *unpacking) checkSigned(ctx context.Context) error {
	if u.Unasked && u.r.Baseline() != nil {
		u.Warn("the signatures that nodes demand are not checked: this bundle leaves out what the mirror has, and the mirror is not asked")
		return nil
	}
	places, end, err := u.signaturePlaces()
	if err != nil {
		return err
	}
	defer end()
	releases := len(u.Site.EarlierReleases)
	if err := u.lookAtEarlier(ctx); err != nil {
		return err
	}
	u.signed = nil
	away := map[string]bool{} // addresses that do not answer
	for _, c := range u.clusters() {
		all, err := u.signedFor(ctx, c, places, away)
		if err != nil {
			return err
		}
		u.signed = append(u.signed, all)
		for _, why := range all.Unchecked {
			u.Debug("signatures not checked for %s", why)
		}
	}
	u.tellUnsigned()
	if u.Out == nil || releases == len(u.Site.EarlierReleases) && !slices.ContainsFunc(u.signed, func(r *manifests.SignatureReport) bool {
		return len(r.Unsigned)+len(r.Unchecked)+len(r.Sources) > 0
	}) {
		return nil
	}
	return u.emit()
}

// signedFor looks at the signatures that nodes of one cluster demand, at each of the places. away notes
// those that do not answer.
func (u *unpacking) signedFor(ctx context.Context, c *manifests.Cluster, places []signaturePlace, away map[string]bool) (*manifests.SignatureReport, error) {
	all := &manifests.SignatureReport{}
	inv, src, why, err := u.withOthers(ctx, c)
	if err != nil {
		return nil, err
	}
	for i, at := range places {
		found, err := manifests.CheckSignatures(ctx, inv, src, c, u.earlierReleases(), at.where, u.Parallel)
		switch {
		case err != nil && (i == 0 || ctx.Err() != nil):
			return nil, err
		case err != nil:
			if !away[at.name] {
				u.Warn("the signatures at %s, which nodes pull from too, are not checked: %v", at.name, err)
			}
			away[at.name] = true
			if all.Checked > 0 {
				all.Unchecked = append(all.Unchecked, "images at "+at.name+": it could not be asked")
			}
			continue
		}
		for _, one := range found.Unsigned {
			one.At = at.name
			all.Unsigned = append(all.Unsigned, one)
		}
		all.Checked, all.Sources = found.Checked, found.Sources
		all.Unchecked = text.Sorted(append(all.Unchecked, found.Unchecked...))
	}
	u.noteUnchecked(all, why)
	return all, nil
}

// noteUnchecked adds what nobody looked at: why says what of other clusters.
func (u *unpacking) noteUnchecked(all *manifests.SignatureReport, why string) {
	more := all.Unchecked
	if names := u.unlooked(); len(names) > 0 && all.Checked > 0 {
		more = append(more, "images at "+text.And(names)+": no credential for nodes was given")
	}
	if why != "" {
		more = append(more, why)
	}
	if u.away != "" && all.Checked > 0 {
		more = append(more, "images at "+u.away+": this host does not reach it")
	}
	all.Unchecked = text.Sorted(more)
}

// signaturePlace is where nodes look for signatures.
type signaturePlace struct {
	name  string // "" for the only one
	where manifests.SignaturePlace
}

// signaturePlaces lists where nodes look for signatures: they take those of the address that
// serves the image, and ask another one where the first does not have the image, or does not
// answer. The caller calls end.
func (u *unpacking) signaturePlaces() (list []signaturePlace, end func(), err error) {
	end = func() {}
	if u.Unasked || u.DryRun {
		return []signaturePlace{{"", manifests.CarriedSignatures(u.images, asking{u})}}, end, nil
	}
	nodes, client, err := u.nodes()
	if err != nil {
		return nil, nil, err
	}
	if client == nil {
		return []signaturePlace{{"", newMirrorSignatures(u.client, u.Site.Mirror).of}}, end, nil
	}
	if len(nodes.Then) == 0 {
		return []signaturePlace{{"", newMirrorSignatures(client, nodes.From).of}}, client.Close, nil
	}
	for i, at := range append([]oci.Mirror{nodes.From}, nodes.Then...) {
		look := newMirrorSignatures(client, at)
		look.next = i > 0
		list = append(list, signaturePlace{at.String(), look.of})
	}
	return list, client.Close, nil
}

// clusters are those that the YAML is for; nil is one of which nothing is known.
func (u *unpacking) clusters() []*manifests.Cluster {
	list := []*manifests.Cluster{u.Site.Cluster}
	for _, out := range u.More {
		list = append(list, out.Cluster)
	}
	return list
}

// unsignedImages are those of all clusters, each once.
func (u *unpacking) unsignedImages() []manifests.Unsigned {
	var refused [][]manifests.Unsigned
	for _, r := range u.signed {
		refused = append(refused, r.Unsigned)
	}
	return manifests.UnsignedOf(u.clusters(), refused)
}

func (u *unpacking) tellUnsigned() {
	list := u.unsignedImages()
	slices.SortStableFunc(list, func(a, b manifests.Unsigned) int {
		switch {
		case a.Unused == b.Unused:
			return 0
		case a.Unused:
			return 1
		}
		return -1
	})
	for i, one := range list {
		if i == maxUnsigned && u.Out != nil {
			u.Warn("not signed as nodes demand it: %d more; APPLY.md has all", len(list)-i)
			return
		}
		u.Warn("not signed as nodes demand it: %s", text.Joined(u.unsignedLine(one)))
	}
}

// maxUnsigned is how many images without a signature are reported, where APPLY.md has all.
const maxUnsigned = 10

func (u *unpacking) unsignedLine(one manifests.Unsigned) string {
	what := one.Image.Describe()
	if one.Platform != "" {
		what += " for " + one.Platform
	}
	why := one.Err
	if errors.Is(why, manifests.ErrUnsigned) {
		why = fmt.Errorf("%s is missing", u.Site.Mirror.Repo(one.Image).WithTag(manifests.SignatureTag(one.Manifest)))
		if one.At != "" {
			why = fmt.Errorf("the tag %s is missing at %s", manifests.SignatureTag(one.Manifest), one.At)
		}
	}
	whose := ""
	if who := one.For(); who != "" {
		whose = " for " + who
	}
	return fmt.Sprintf("%s: %v; %s demands it%s (%s)", what, why, one.Policy, whose, one.When)
}

// refused is the error for images that nodes will refuse; nil if there are none.
func (u *unpacking) refused() error {
	unused := func(one manifests.Unsigned) bool { return one.Unused } // may never be pulled where it is refused
	if list := slices.DeleteFunc(u.unsignedImages(), unused); len(list) > 0 {
		return &UnsignedError{u.Site.Mirror.String(), list, u.wrote}
	}
	return nil
}

// signatures are what is under one tag.
type signatures struct {
	list []manifests.ImageSignature
	err  error
}

// mirrorSignatures looks for signatures in a mirror, for each manifest once.
type mirrorSignatures struct {
	client *transport.Client
	at     oci.Mirror
	next   bool // nodes ask another address first

	mu    sync.Mutex
	found map[oci.Ref]signatures
}

func newMirrorSignatures(client *transport.Client, at oci.Mirror) *mirrorSignatures {
	return &mirrorSignatures{client: client, at: at, found: map[oci.Ref]signatures{}}
}

// of gives what is under the tag of the signatures of a manifest, in the repository that serves
// the image. A list of referrers is not what nodes look at.
func (m *mirrorSignatures) of(ctx context.Context, img oci.Image, d digest.Digest) ([]manifests.ImageSignature, error) {
	ref := m.at.Repo(img).WithTag(manifests.SignatureTag(d))
	m.mu.Lock()
	got, known := m.found[ref]
	m.mu.Unlock()
	if !known {
		got.list, got.err = m.read(ctx, ref)
		if m.next && got.list == nil && got.err == nil {
			got.err = m.there(ctx, m.at.Repo(img).WithDigest(d))
		}
		m.mu.Lock()
		m.found[ref] = got
		m.mu.Unlock()
	}
	return got.list, got.err
}

// there reports whether nodes would take an image from this address at all.
func (m *mirrorSignatures) there(ctx context.Context, ref oci.Ref) error {
	_, _, err := m.client.Resolve(ctx, ref)
	if status(err) == http.StatusNotFound {
		return manifests.ErrNoImage
	}
	return err
}

// read reads the signatures. Only 404 is none: with any other answer a pull fails.
func (m *mirrorSignatures) read(ctx context.Context, ref oci.Ref) (list []manifests.ImageSignature, err error) {
	root, src, err := m.client.Resolve(ctx, ref)
	if status(err) == http.StatusNotFound {
		return nil, nil
	}
	if err == nil {
		list, err = manifests.ReadImageSignatures(ctx, root, src)
	}
	var final interface{ Permanent() bool }
	if refused := (*manifests.RefusedSignatureError)(nil); err != nil && !errors.As(err, &refused) && errors.As(err, &final) && final.Permanent() {
		return nil, &manifests.RefusedSignatureError{Why: "nodes cannot read it: " + err.Error()}
	}
	return list, err
}

// status is that of a registry's answer which is an error; 0 for any other error.
func status(err error) int {
	var answer *transport.RegistryError
	if errors.As(err, &answer) {
		return answer.Status
	}
	return 0
}
