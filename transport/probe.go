package transport

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/oci"
)

// ProbeTag is the tag that [Mirror.Probe] uses. Where the registry does not let
// it be removed, it stays; it names an image of no content.
const ProbeTag = "satchel-probe"

// Problem is why a repository cannot be written as a bundle needs it.
type Problem string

// The problems that a probe distinguishes.
const (
	ProblemCredentials Problem = "the registry does not let this host in"
	ProblemDenied      Problem = "a push is not allowed there"
	ProblemReadOnly    Problem = "the registry is read-only"
	ProblemProject     Problem = "its project or repository does not exist and is not created by a push"
	ProblemDepth       Problem = "the registry seems not to allow so many path components"
	ProblemUntagged    Problem = "the registry takes no manifest without a tag"
	ProblemSparse      Problem = "the registry refuses an index with missing platforms (a sparse index)"
	ProblemFull        Problem = "the registry has no space left"
	ProblemTLS         Problem = "there is no TLS connection that can be trusted"
	ProblemUnreachable Problem = "the registry cannot be reached"
	ProblemOther       Problem = "the registry refuses a push"
)

// ProbeError says that a repository of the mirror cannot be written.
type ProbeError struct {
	Repo    oci.Ref
	Problem Problem
	Err     error // what the registry answered
}

func (e *ProbeError) Error() string {
	return fmt.Sprintf("%s: %s: %v", e.Repo.Name(), e.Problem, e.Err)
}

func (e *ProbeError) Unwrap() error { return e.Err }

// Hint says what to do now, "" where what the registry answered says more.
func (p Problem) Hint() string { return problemHints[p] }

var problemHints = map[Problem]string{
	ProblemCredentials: "check that this user may push there, and that the registry and repository are the ones that you mean",
	ProblemDenied:      "give this user the right to push (and, to clean up after a probe, to delete), or log in as one who has it (podman login)",
	ProblemReadOnly:    "the registry is read-only or in maintenance: have it accept pushes, then run the same command again",
	ProblemProject:     "create the project or organization in the registry first, or push into an existing one",
	ProblemDepth:       "limit the number of path components to what the registry allows, such as 2, in every unpack into this mirror",
	ProblemUntagged:    "a mirror must store images by digest; the registry inside an OpenShift cluster, for one, does not and cannot be a mirror",
	ProblemSparse:      "have the registry accept an index whose platforms are not all present (distribution 3: validation.manifests.indexes.platforms: none; Quay: FEATURE_SPARSE_INDEX: true; docker-registry 2.8 and Harbor cannot), or remove platforms from the configuration and pack again",
	ProblemFull:        "make room on the registry's disk and run the same command again",
}

// Hint says what to do now, by the problem, else by what the registry answered. Of
// credentials the answer knows more: whether there are any, and whether they were sent.
func (e *ProbeError) Hint() string {
	h := e.Problem.Hint()
	var answer *RegistryError
	if !errors.As(e.Err, &answer) {
		return h
	}
	switch answer.Trouble() {
	case TroubleUnauthorized, TroubleForbidden, TroublePassword, TroubleSilent, TroubleScheme:
		if e.Problem == ProblemCredentials || e.Problem == ProblemDenied {
			return answer.Hint()
		}
	}
	return cmp.Or(h, answer.Hint())
}

// Permanent reports whether trying again would give the same answer, as far as is known.
func (e *ProbeError) Permanent() bool { return refuses(e.Err) }

// Probe pushes a tiny blob and manifest, by digest and by tag, into every
// repository that is about to be written, and an index that names what sparse ones
// will lack there, see [Mirror.Sparse]; then it removes them where it may. All that
// is wrong is reported together: the error joins a *[ProbeError] for each
// repository, by name.
func (m *Mirror) Probe(ctx context.Context, repos []oci.Ref, sparse map[oci.Ref][]oci.Descriptor) error {
	var mu sync.Mutex
	var found []*ProbeError
	good := map[string]bool{} // takes something
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for _, ref := range repos {
		g.Go(func() error {
			err := m.probe(ctx, ref, sparse[ref])
			var p *ProbeError
			if err != nil && (ctx.Err() != nil || !errors.As(err, &p)) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if p != nil {
				found = append(found, p)
			}
			good[ref.Repository] = p == nil || p.Problem == ProblemUntagged || p.Problem == ProblemSparse
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	blameDepth(found, good)
	slices.SortFunc(found, func(a, b *ProbeError) int { return cmp.Compare(a.Repo.Name(), b.Repo.Name()) })
	errs := make([]error, len(found))
	for i, p := range found {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// Repos lists the repositories that the missing images will be written into.
func (m *Mirror) Repos(missing *Missing) []oci.Ref {
	var list []oci.Ref
	for _, img := range missing.Images {
		list = append(list, m.target.Repo(img))
	}
	slices.SortFunc(list, func(a, b oci.Ref) int { return cmp.Compare(a.Repository, b.Repository) })
	return slices.Compact(list)
}

const (
	// maxSparse bounds what a probe's index names, maxPlatform each word of a platform
	// there in bytes, so that it has less than 1 MiB: registries bound manifests.
	maxSparse   = 1 << 10
	maxPlatform = 40
	// maxAllSparse bounds what all of them name, but for one manifest each.
	maxAllSparse = 1 << 16
)

// Sparse lists what the indexes of the images name and do not bring, by the
// mirror's repository, each manifest once and in a steady order: its kind, digest,
// size and platform. Some registries demand certain platforms, or have what is left
// out already, so that it matters which they are. src gives the manifests.
func (m *Mirror) Sparse(ctx context.Context, src oci.Source, images []oci.Image) (map[oci.Ref][]oci.Descriptor, error) {
	sparse, all := map[oci.Ref][]oci.Descriptor{}, 0
	for _, img := range images {
		if len(img.Omitted) == 0 {
			continue
		}
		ref := m.target.Repo(img)
		err := oci.WalkIndexes(ctx, src, img, func(d oci.Descriptor, body []byte) error {
			if body == nil {
				return nil
			}
			children, err := oci.Children(d, body)
			for _, c := range children {
				_, out := slices.BinarySearch(img.Omitted, c.Digest)
				n := len(sparse[ref])
				room := n == 0 || n < maxSparse && all < maxAllSparse
				same := func(o oci.Descriptor) bool { return o.Digest == c.Digest }
				if out && oci.IsManifest(c.MediaType) && room && !slices.ContainsFunc(sparse[ref], same) {
					sparse[ref], all = append(sparse[ref], probed(c)), all+1
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return sparse, nil
}

// probed is what a probe says of a manifest: nothing else that an author wrote of it.
func probed(d oci.Descriptor) oci.Descriptor {
	short := oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size}
	if p := d.Platform; p != nil {
		cut := func(word string) string { return strings.Clone(word[:min(len(word), maxPlatform)]) }
		short.Platform = &ispec.Platform{OS: cut(p.OS), Architecture: cut(p.Architecture), Variant: cut(p.Variant)}
	}
	return short
}

// blameDepth finds what registries with a limit of depth hide behind a 401 or a
// 404: a repository is refused while a shallower one of the same project is taken.
func blameDepth(found []*ProbeError, good map[string]bool) {
	for _, p := range found {
		switch p.Problem {
		case ProblemDenied, ProblemProject, ProblemCredentials, ProblemOther:
		default:
			continue
		}
		parts := strings.Split(p.Repo.Repository, "/")
		for name, ok := range good {
			other := strings.Split(name, "/")
			if ok && other[0] == parts[0] && len(other) < len(parts) && len(parts) > 2 {
				p.Problem = ProblemDepth
				break
			}
		}
	}
}

// probe tries one repository.
func (m *Mirror) probe(ctx context.Context, ref oci.Ref, sparse []oci.Descriptor) error {
	r, err := m.client.Repository(ref)
	if err != nil {
		return err
	}
	c, err := newProbe(m.run, sparse)
	if err != nil {
		return err
	}
	var pushed []string // what is to be removed again, manifests first
	defer func() { r.removeProbe(ctx, pushed) }()
	if err := r.putBlob(ctx, c, c.config, oci.Ref{}); err != nil {
		p := &ProbeError{ref, classify(err), err}
		if p.Problem == ProblemCredentials && r.mayRead(ctx, c.config) {
			p.Problem = ProblemDenied
		}
		return p
	}
	pushed = []string{"blobs/" + c.config.Digest.String()}
	steps := []struct {
		d       oci.Descriptor
		name    string
		problem Problem // of a refusal
	}{
		{c.image, ProbeTag, ""},
		{c.untagged, c.untagged.Digest.String(), ProblemUntagged},
		{c.sparse, c.sparse.Digest.String(), ProblemSparse},
	}
	if len(sparse) == 0 {
		steps = steps[:2]
	}
	for _, s := range steps {
		if err := r.putManifest(ctx, s.d, c.body(s.d), s.name); err != nil {
			p := &ProbeError{ref, classify(err), err}
			// A repository that has just taken a manifest refuses this one for what it is.
			if s.problem != "" && refuses(err) && p.Problem != ProblemFull {
				p.Problem = s.problem
			}
			return p
		}
		pushed = slices.Insert(pushed, 0, "manifests/"+s.d.Digest.String())
	}
	return nil
}

// mayRead distinguishes credentials that are wrong from those that only may not push.
func (r *Repository) mayRead(ctx context.Context, d oci.Descriptor) bool {
	_, err := r.Has(ctx, d)
	return err == nil
}

// probeContent is what a probe pushes; it is an [oci.Source].
type probeContent struct {
	bodies                          map[string][]byte
	config, image, untagged, sparse oci.Descriptor
}

// newProbe makes content of a run's own: another run may remove its own at the
// same time.
func newProbe(run string, sparse []oci.Descriptor) (*probeContent, error) {
	c := &probeContent{bodies: map[string][]byte{}}
	c.config = c.add(ispec.MediaTypeImageConfig, []byte(`{"architecture":"unknown","os":"unknown","author":"satchel probe `+run+`","rootfs":{"type":"layers","diff_ids":[]}}`))
	for _, note := range []string{"tagged", "untagged"} {
		m := ispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ispec.MediaTypeImageManifest, Config: c.config,
			Layers: []oci.Descriptor{}, Annotations: map[string]string{ispec.AnnotationTitle: "satchel probe, " + note}}
		body, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		c.image, c.untagged = c.untagged, c.add(ispec.MediaTypeImageManifest, body)
	}
	child := c.image // distribution 3.1 fails on a child without a platform
	child.Platform = &ispec.Platform{OS: "unknown", Architecture: "unknown"}
	children := append([]oci.Descriptor{child}, sparse...)
	body, err := json.Marshal(ispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ispec.MediaTypeImageIndex, Manifests: children})
	if err != nil {
		return nil, err
	}
	c.sparse = c.add(ispec.MediaTypeImageIndex, body)
	return c, nil
}

func (c *probeContent) add(mediaType string, body []byte) oci.Descriptor {
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(body), Size: int64(len(body))}
	c.bodies[d.Digest.String()] = body
	return d
}

func (c *probeContent) body(d oci.Descriptor) []byte { return c.bodies[d.Digest.String()] }

// Open gives the probe's content.
func (c *probeContent) Open(_ context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c.body(d)[off:])), nil
}

// removeProbe deletes what was pushed. Many registries do not allow that, and
// then it stays: nothing depends on it.
func (r *Repository) removeProbe(ctx context.Context, pushed []string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer stop()
	ctx = auth.AppendRepositoryScope(ctx, r.location, auth.ActionPull, auth.ActionPush, auth.ActionDelete)
	for _, path := range pushed {
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, r.url(path, nil).String(), nil)
		if err != nil {
			return
		}
		if resp, err := r.sender.send(req); err == nil {
			drain(resp)
		}
	}
}

// classify names the problem behind what a registry answered to a push.
func classify(err error) Problem {
	var answer *RegistryError
	if !errors.As(err, &answer) {
		return ProblemOther
	}
	switch answer.Trouble() {
	case TroubleFull:
		return ProblemFull
	case TroubleAuthority, TroubleExpired, TroubleHostName, TroubleTLS, TroublePlainHTTP:
		return ProblemTLS
	case TroubleRefused, TroubleName, TroubleLost, TroubleProxy:
		return ProblemUnreachable
	}
	text := strings.ToLower(answer.Code + " " + answer.Message)
	switch {
	case strings.Contains(text, "no space left"), strings.Contains(text, "quota"):
		return ProblemFull
	case answer.Status == http.StatusNotFound, strings.Contains(text, "name_unknown"):
		return ProblemProject
	case answer.Status == http.StatusUnauthorized:
		return ProblemCredentials
	case answer.Status == http.StatusMethodNotAllowed:
		return ProblemReadOnly
	case answer.Status == http.StatusForbidden:
		return ProblemDenied
	}
	return ProblemOther
}

// refuses reports whether a registry answered that something is not available,
// and would answer the same again.
func refuses(err error) bool {
	var answer *RegistryError
	if !errors.As(err, &answer) {
		return false
	}
	return permanentStatus(answer.Status)
}
