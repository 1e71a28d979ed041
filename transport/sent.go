package transport

import (
	"sync"

	"github.com/satchel-airgap/satchel/oci"
)

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
