package transport

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
)

// Blobs makes the deliveries, started in the order of work, as many at a time as
// the mirror was made for, and looks at each blob afterwards. The bytes of src are verified
// here, so src need not. The first error cancels the rest and is returned: a
// *[RegistryError] or a *[BlobError] that names repository and digest, or the source's
// own error, wrapped.
func (m *Mirror) Blobs(ctx context.Context, src oci.Source, work iter.Seq[Delivery]) error {
	w := &pushes{m: m, src: oci.Verified(src)}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for d := range work {
		if gctx.Err() != nil {
			break
		}
		if len(d.Optional) > 0 && !slices.ContainsFunc(d.Optional, func(img oci.Image) bool { return !m.isOut(img) }) {
			continue
		}
		g.Go(func() error { return w.deliver(gctx, d) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := w.lookAgain(ctx); err != nil {
		return err
	}
	return ctx.Err()
}

// pushes is blobs on their way to the mirror.
type pushes struct {
	m   *Mirror
	src oci.Source

	mu    sync.Mutex
	later []pushed // that were not there yet right after their push
}

type pushed struct {
	r *Repository
	d Delivery
}

// leaveOutOf leaves out the images that alone need a blob which a repository of the mirror does
// not take, if they may be.
func (m *Mirror) leaveOutOf(d Delivery, repo oci.Ref, err error) error {
	if err == nil {
		return nil
	}
	out := false
	for _, img := range d.Optional {
		if m.target.Repo(img) != repo {
			continue
		}
		if err := m.leaveOut(img, err); err != nil {
			return err
		}
		out = true
	}
	if out {
		return nil
	}
	return err
}

func (w *pushes) deliver(ctx context.Context, d Delivery) error {
	if err := oci.CheckDescriptor(d.Blob); err != nil {
		return err
	}
	from, uploaded := d.From, false
	for _, ref := range d.Repos {
		r, err := w.m.client.Repository(ref)
		if err != nil {
			return err
		}
		err = w.put(ctx, r, d, from)
		if err == nil && !uploaded {
			from, uploaded = ref, true
		}
		if err := w.m.leaveOutOf(d, ref, err); err != nil {
			return err
		}
	}
	return nil
}

// put has the repository hold a blob, and looks: what is wrong there afterwards is pushed
// once more, what is absent is looked for again at the end.
func (w *pushes) put(ctx context.Context, r *Repository, d Delivery, from oci.Ref) error {
	w.m.seen.written.Store(true)
	for uploads := 0; ; {
		mounted, err := r.sendBlob(ctx, w.src, d.Blob, from)
		if err != nil {
			return err
		}
		w.m.count(d.Blob, mounted)
		f, err := r.look(r.toPush(ctx), d.Blob)
		if err != nil || f.whole() {
			return err
		}
		if !mounted {
			uploads++
		}
		switch {
		case mounted:
		case !f.there:
			w.mu.Lock()
			w.later = append(w.later, pushed{r, d})
			w.mu.Unlock()
			return nil
		case uploads > 1:
			return &BlobError{Repo: r.ref, Blob: d.Blob, Fault: f.fault, Times: uploads}
		}
		from = oci.Ref{}
	}
}

// lookAgain looks again for what was not there right after its push.
func (w *pushes) lookAgain(ctx context.Context) error {
	var wait patience
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.m.parallel)
	for _, p := range w.later {
		g.Go(func() error {
			var f found
			there, err := wait.until(ctx, p.r, func() (_ bool, err error) {
				f, err = p.r.look(p.r.toPush(ctx), p.d.Blob)
				return f.there, err
			})
			if err == nil && (!there || !f.whole()) {
				err = &BlobError{Repo: p.r.ref, Blob: p.d.Blob, Fault: f.fault, Times: 1, by: f.by}
			}
			return w.m.leaveOutOf(p.d, p.r.named, err)
		})
	}
	return g.Wait()
}

// Sent counts what a run has sent to the mirror, and the mirror took.
type Sent struct {
	Blobs     int   // uploads
	Bytes     int64 // of them
	Mounted   int   // blobs that the mirror took over from another repository of its own
	Manifests int
}

// sent is what was sent so far.
type sent struct {
	mu     sync.Mutex
	counts Sent
	pushed map[string]bool // manifests, by full name
	blobs  map[digest.Digest]bool
}

// Sent counts what was sent so far.
func (m *Mirror) Sent() Sent {
	m.sent.mu.Lock()
	defer m.sent.mu.Unlock()
	return m.sent.counts
}

// count counts a blob.
func (m *Mirror) count(d oci.Descriptor, mounted bool) {
	m.sent.mu.Lock()
	defer m.sent.mu.Unlock()
	if m.sent.blobs == nil {
		m.sent.blobs = map[digest.Digest]bool{}
	}
	m.sent.blobs[d.Digest] = true
	if mounted {
		m.sent.counts.Mounted++
		return
	}
	m.sent.counts.Blobs++
	m.sent.counts.Bytes += d.Size
}

// countManifest counts a manifest, under however many tags, once.
func (m *Mirror) countManifest(r *Repository, d oci.Descriptor) {
	m.sent.mu.Lock()
	defer m.sent.mu.Unlock()
	if m.sent.pushed == nil {
		m.sent.pushed = map[string]bool{}
	}
	if name := r.name(d); !m.sent.pushed[name] {
		m.sent.pushed[name] = true
		m.sent.counts.Manifests++
	}
}

// wasPushed reports whether a manifest was pushed in this run.
func (m *Mirror) wasPushed(r *Repository, d oci.Descriptor) bool {
	m.sent.mu.Lock()
	defer m.sent.mu.Unlock()
	return m.sent.pushed[r.name(d)]
}

// Pushed reports whether the manifest of an image, the index if it is one, was sent in this
// run, and the mirror took it.
func (m *Mirror) Pushed(img oci.Image) bool {
	r, err := m.client.Repository(m.target.Repo(img))
	return err == nil && m.wasPushed(r, img.Root)
}

// wasSent is wasPushed for a manifest or a blob.
func (m *Mirror) wasSent(r *Repository, d oci.Descriptor) bool {
	m.sent.mu.Lock()
	defer m.sent.mu.Unlock()
	return m.sent.pushed[r.name(d)] || m.sent.blobs[d.Digest]
}
