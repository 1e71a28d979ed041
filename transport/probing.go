package transport

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/probe"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

// probeTries is how often a repository is probed where another run, which removes what
// is the same in all, seems to probe it too.
const probeTries = 3

// probeContent is what a probe pushes.
type probeContent struct {
	*probe.Content
	wait *patience // shared by the probes of all repositories
}

// probe tries one repository.
func (m *Mirror) probe(ctx context.Context, ref oci.Ref, c *probe.Content, wait *patience) error {
	r, err := m.client.Repository(ref)
	if err != nil {
		return err
	}
	m.seen.written.Store(true)
	for n := 1; ; n++ {
		err := r.tryProbe(ctx, probeContent{c, wait})
		var p *ProbeError
		if none, ok := errors.AsType[*notRegistryError](r.blameHost(ctx, err)); ok {
			return explain("push", ref.String(), none)
		}
		if n == probeTries || !errors.As(err, &p) || p.Problem == ProblemSparse || !lacksParts(err) {
			return err
		}
		if serr := retry.Sleep(ctx, time.Duration(n)*m.client.retry.First); serr != nil {
			return serr
		}
	}
}

// lacksParts reports whether a registry refused a manifest for what it lacks of it.
func lacksParts(err error) bool {
	var answer *RegistryError
	return errors.As(err, &answer) && slices.Contains([]string{"BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN"}, answer.Code)
}

// tryProbe pushes the probe once, looks at it, and removes it.
func (r *Repository) tryProbe(ctx context.Context, c probeContent) error {
	var pushed []string // what is to be removed again, manifests first
	defer func() { r.removeProbe(ctx, pushed) }()
	if err := r.probeBlob(ctx, c); err != nil {
		return err
	}
	pushed = []string{"blobs/" + c.Config.Digest.String()}
	for _, b := range c.Layers {
		if err := r.putBlob(ctx, c, b, oci.Ref{}); err != nil {
			return &ProbeError{r.ref, classify(err), err}
		}
		pushed = append(pushed, "blobs/"+b.Digest.String())
	}
	steps := []struct {
		d       oci.Descriptor
		name    string
		problem Problem // of a refusal
	}{
		{c.Image, ProbeTag, ""},
		{c.Untagged, c.Untagged.Digest.String(), ProblemUntagged},
		{c.Sparse, c.Sparse.Digest.String(), ProblemSparse},
	}
	if !c.Lacking {
		steps = steps[:2]
	}
	for _, s := range steps {
		if err := r.probeManifest(ctx, c, s.d, s.name, s.problem); err != nil {
			return err
		}
		pushed = slices.Insert(pushed, 0, "manifests/"+s.d.Digest.String())
	}
	return nil
}

// probeBlob pushes the probe's blob and looks at it.
func (r *Repository) probeBlob(ctx context.Context, c probeContent) error {
	if err := r.putBlob(ctx, c, c.Config, oci.Ref{}); err != nil {
		p := &ProbeError{r.ref, classify(err), err}
		if p.Problem == ProblemCredentials && r.mayRead(ctx, c.Config) {
			p.Problem = ProblemDenied
		}
		return p
	}
	var f found
	first := true
	there, err := c.wait.until(ctx, r, func() (_ bool, err error) {
		if !first { // a registry that has each blob once for all repositories may have removed it with another's probe
			if err := r.putBlob(ctx, c, c.Config, oci.Ref{}); err != nil {
				return false, err
			}
		}
		first = false
		f, err = r.look(r.toPush(ctx), c.Config)
		return f.there, err
	})
	switch {
	case err != nil:
		return &ProbeError{r.ref, lookProblem(err), err}
	case !there || !f.whole():
		return &ProbeError{r.ref, ProblemDrops, &BlobError{Repo: r.ref, Blob: c.Config, Fault: f.fault, Times: 1, by: f.by}}
	}
	return nil
}

// lookProblem is classify for a look at what the registry took.
func lookProblem(err error) Problem {
	if answer, ok := errors.AsType[*RegistryError](err); ok && answer.Op == "check" && refuses(err) && !answer.Everywhere() {
		return ProblemRead
	}
	return classify(err)
}

// probeManifest pushes one manifest of the probe and, if it has a tag, looks at it. problem is that of a refusal.
func (r *Repository) probeManifest(ctx context.Context, c probeContent, d oci.Descriptor, name string, problem Problem) error {
	err := r.putManifest(ctx, d, c.Body(d), name)
	var tag *TagError
	if errors.As(err, &tag) {
		return nil // a probe of another version, where tags cannot be changed
	}
	took := err == nil
	if took && tagIn(d, name) != "" { // Quay does not serve what has no tag
		err = r.kept(ctx, c, d, name)
	}
	if err == nil {
		return nil
	}
	p := &ProbeError{r.ref, classify(err), err}
	var wrong *ManifestError
	switch {
	case errors.As(err, &wrong) && wrong.unaccepted:
		p.Problem = ProblemAccept
	case errors.As(err, &wrong) && wrong.Got == "" && wrong.Type == "":
		p.Problem = ProblemDrops
	case errors.As(err, &wrong):
		p.Problem = ProblemChanges
	case took && lookProblem(err) == ProblemRead:
		p.Problem = ProblemRead
	case !took && problem == "" && refuses(err) && r.takesUntagged(ctx, c, d):
		p.Problem = ProblemTag
	case problem != "" && refuses(err) && p.Problem != ProblemFull:
		// A repository that has just taken a manifest refuses this one for what it is.
		p.Problem = problem
	}
	return p
}

// takesUntagged reports whether a manifest that is refused under a tag is taken by its digest.
func (r *Repository) takesUntagged(ctx context.Context, c probeContent, d oci.Descriptor) bool {
	if err := r.putManifest(ctx, d, c.Body(d), d.Digest.String()); err != nil {
		return false
	}
	r.removeProbe(ctx, []string{"manifests/" + d.Digest.String()})
	return true
}

// kept looks whether a manifest is what was pushed. What is absent is pushed again, as
// another run may have removed it.
func (r *Repository) kept(ctx context.Context, c probeContent, d oci.Descriptor, name string) error {
	ctx = r.toPush(ctx)
	first, absent := true, &ManifestError{Repo: r.ref, Manifest: d, Pushed: true}
	there, err := c.wait.until(ctx, r, func() (bool, error) {
		if !first {
			if err := r.putManifest(ctx, d, c.Body(d), name); err != nil {
				return false, err
			}
		}
		first = false
		there, err := r.givesTo(ctx, d, absent)
		if there || err != nil {
			return there, err
		}
		if got, err := r.tagDigest(ctx, name); err == nil && got != "" && got != d.Digest {
			return false, &ManifestError{Repo: r.ref, Tag: name, Manifest: d, Got: got, Pushed: true}
		}
		return false, nil
	})
	if err == nil && !there {
		err = absent
	}
	return err
}

// mayRead distinguishes credentials that are wrong from those that only may not push.
func (r *Repository) mayRead(ctx context.Context, d oci.Descriptor) bool {
	_, err := r.Has(ctx, d)
	return err == nil
}

// removeProbe deletes what was pushed. Many registries do not allow that, and
// then it stays: nothing depends on it. One that once gave no answer in time is not asked again.
func (r *Repository) removeProbe(ctx context.Context, pushed []string) {
	c := r.sender.client
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), c.cancelling)
	defer stop()
	ctx = auth.AppendRepositoryScope(ctx, r.location, auth.ActionPull, auth.ActionPush, auth.ActionDelete)
	for _, path := range pushed {
		if c.undeleting.Load() {
			return
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, r.url(path, nil).String(), nil)
		if err != nil {
			return
		}
		if resp, err := r.sender.send(req); err == nil {
			reply.Drain(resp)
		}
		if ctx.Err() != nil {
			c.undeleting.Store(true)
		}
	}
}
