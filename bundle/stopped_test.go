package bundle

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
)

// TestStoppedByAnother: who puts a blob can tell that it was another one that failed.
func TestStoppedByAnother(t *testing.T) {
	f := begun(t)
	w := f.writer(t)
	defer w.Close()
	w.breakdown(errLink)
	err := w.Put(context.Background(), oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte("a")), Size: 1}, nil)
	if !errors.Is(err, ErrStopped) || !errors.Is(err, errLink) || err.Error() != errLink.Error() {
		t.Errorf("%v", err)
	}
	if errors.Is(errLink, ErrStopped) {
		t.Error("the first failure passes for another's")
	}
}

// TestStoppedWhileWaiting: a blob that waits for a lane ends with an error when the writer breaks, also if every
// lane is kept for a blob that was cut in the middle.
func TestStoppedWhileWaiting(t *testing.T) {
	t.Parallel()
	f := newTiny(t)
	w := f.writer(t)
	defer func() { _ = w.Close() }() // it is broken
	for range f.job.Lanes {
		<-w.last().free // as if each was kept
	}
	failed := make(chan error, 1)
	go func() { failed <- w.Put(t.Context(), f.graph.Blobs[0].Descriptor, f.content) }()
	time.Sleep(10 * time.Millisecond)
	w.breakdown(errors.New("the drive is gone"))
	select {
	case err := <-failed:
		if !errors.Is(err, ErrStopped) || err.Error() != "the drive is gone" {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for ever")
	}
}
