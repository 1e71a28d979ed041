package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// served is what was found of an image, for what is asked of it later.
type served struct {
	ref    oci.Ref
	at     transport.NodePlace
	root   oci.Descriptor
	body   []byte          // of an index
	looked []digest.Digest // of an index: the manifests that are to be there
	image  *Image
}

// signed looks at the signatures that nodes demand, where they look for them: at the place that served
// the image.
func (c *checking) signed(ctx context.Context) error {
	policies := manifests.SignaturePolicies{Cluster: c.Cluster, Releases: c.read, More: c.Policies}
	if !policies.Any() {
		return nil
	}
	if c.Offline { // what the site itself demands fails; releases have policies of their own
		own := manifests.SignaturePolicies{Cluster: c.Cluster, More: c.Policies}.Any()
		c.report.add(Finding{Kind: Unknown, Fails: own, Object: "signatures", Wrong: "policies demand signatures, and nobody looked for them: the mirror is not asked", Do: "run this without --offline"})
		return nil
	}
	by, images := map[string]*served{}, []oci.Image{}
	for _, s := range c.served {
		img := c.signable(s)
		by[s.ref.String()] = s
		images = append(images, img)
	}
	places := &signatures{node: c.node, by: by, found: map[string]*signature{}}
	report, err := manifests.CheckServedSignatures(ctx, policies, images, c.indexes(), places.of, c.Parallel)
	if err != nil {
		return err
	}
	for _, u := range report.Unsigned {
		s := by[nameOf(u.Image)]
		s.image.findings = append(s.image.findings, c.unsigned(s, u))
	}
	for _, why := range report.Unchecked {
		if a := c.report.Cluster; a != nil && a.Workloads != nil && slices.Contains(a.Workloads.Unknown, why) {
			continue // said of the workloads
		}
		c.report.add(Finding{Kind: Unknown, Fails: true, Object: "signatures", Wrong: "they were not checked for " + why})
	}
	return nil
}

// nameOf is how nodes name an image of the list.
func nameOf(img oci.Image) string {
	if img.Source.Tag != "" {
		return img.Source.String()
	}
	return img.Source.WithDigest(img.Root.Digest).String()
}

// signable is an image as policies are compared with it.
func (c *checking) signable(s *served) oci.Image {
	img := oci.Image{Source: s.ref, Root: s.root, Platforms: []string{"linux/any"}}
	for _, r := range c.read {
		for _, one := range append([]oci.Image{r.Image}, r.Images...) {
			if one.Source.Name() == s.ref.Name() && one.Root.Digest == s.root.Digest {
				img.Origin = one.Origin
				img.Reasons = append(img.Reasons, one.Reasons...)
			}
		}
	}
	if !oci.IsIndex(s.root.MediaType) {
		return img
	}
	children, err := oci.Children(s.root, s.body)
	if err != nil {
		return img
	}
	for _, child := range children {
		if !slices.Contains(s.looked, child.Digest) && !slices.Contains(img.Omitted, child.Digest) {
			img.Omitted = append(img.Omitted, child.Digest)
		}
	}
	return img
}

// indexes gives the indexes that were served.
func (c *checking) indexes() oci.Source {
	bodies := map[digest.Digest][]byte{}
	for _, s := range c.served {
		bodies[s.root.Digest] = s.body
	}
	return oci.SourceFunc(func(_ context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		body, ok := bodies[d.Digest]
		if !ok {
			return nil, errAbsent
		}
		return io.NopCloser(bytes.NewReader(body[min(off, int64(len(body))):])), nil
	})
}

// unsigned makes a finding.
func (c *checking) unsigned(s *served, u manifests.Unsigned) Finding {
	f := Finding{Kind: Unsigned, Fails: !u.Unused, Namespace: u.Namespace, Image: s.image.Image, Why: s.image.Why, Rule: s.image.Rule}
	tag := s.at.Ref.Repo().WithTag(manifests.SignatureTag(u.Manifest)).String()
	said := u.Err.Error()
	if errors.Is(u.Err, manifests.ErrUnsigned) {
		said = tag + " is not there"
		f.Do = "carry the signature with a later bundle, and push it: satchel unpack"
	} else {
		f.Do = "have the image signed as the policy demands, and carry the signature"
	}
	f.Tried = []Try{{tag, said}}
	f.Wrong = fmt.Sprintf("%s demands a signature (%s): %s", u.Policy, u.When, said)
	if u.Platform != "" {
		f.Wrong = "for " + u.Platform + ", " + f.Wrong
	}
	if strings.HasPrefix(u.Policy, "ImagePolicy") {
		f.Wrong += ". It counts when a container is created in that namespace, also for an image that the node has already"
	}
	if spaces := c.policySpaces(); u.Namespace == "" && len(spaces) > 0 {
		f.Wrong += ". In " + text.Some(spaces, 3) + ", which " + map[bool]string{true: "has", false: "have"}[len(spaces) == 1] + " an ImagePolicy, it counts when a container is created, too, also for an image that the node has already"
	}
	if u.Unused {
		f.Wrong += "; no workload of the namespace " + u.Namespace + " uses the image now"
	}
	return f
}

// policySpaces are the namespaces with an ImagePolicy: in those, all policies count for each container.
func (c *checking) policySpaces() (list []string) {
	for _, one := range c.Cluster.Of("ImagePolicy") {
		list = append(list, one.Namespace)
	}
	return text.Sorted(list)
}

// signatures looks for signatures, for each manifest of a repository once.
type signatures struct {
	node *transport.Node
	by   map[string]*served

	mu    sync.Mutex
	found map[string]*signature
}

type signature struct {
	once sync.Once
	list []manifests.ImageSignature
	err  error
}

// of gives what nodes find under the tag of the signatures of a manifest.
func (s *signatures) of(ctx context.Context, img oci.Image, d digest.Digest) ([]manifests.ImageSignature, error) {
	one := s.by[nameOf(img)]
	at := transport.NodePlace{Ref: one.at.Ref.Repo().WithTag(manifests.SignatureTag(d)), Insecure: one.at.Insecure}
	s.mu.Lock()
	f := s.found[at.Ref.String()]
	if f == nil {
		f = &signature{}
		s.found[at.Ref.String()] = f
	}
	s.mu.Unlock()
	f.once.Do(func() { f.list, f.err = s.read(ctx, at) })
	return f.list, f.err
}

// read reads them. Only an answer that there are none is none: with any other a pull fails.
func (s *signatures) read(ctx context.Context, at transport.NodePlace) (list []manifests.ImageSignature, err error) {
	p, err := s.node.PullAt(ctx, at)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && transport.NodeLacks(err):
		return nil, nil
	case err != nil:
		_, words := transport.NodeTrouble(err)
		return nil, &manifests.RefusedSignatureError{Why: "nodes cannot read " + at.Ref.String() + ": " + words}
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	list, err = manifests.ReadImageSignatures(ctx, p.Root, p)
	var refused *manifests.RefusedSignatureError
	if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
		return list, err
	}
	_, words := transport.NodeTrouble(err)
	return nil, &manifests.RefusedSignatureError{Why: "nodes cannot read " + at.Ref.String() + ": " + words}
}
