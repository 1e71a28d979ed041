package bundle

import (
	"context"
	"errors"
	"testing"

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
