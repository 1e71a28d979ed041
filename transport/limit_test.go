package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/internal/limit"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestLimitRate pulls and pushes over several connections at a given rate.
func TestLimitRate(t *testing.T) {
	reg := registrytest.Start(t)
	c := quick(t, Config{Authfile: authfile(t, nil), LimitRate: 2 << 20})
	content := ocitest.New(2)
	inv := images(map[string]oci.Descriptor{"a": content.Image(false, content.Layer(1<<20, ocitest.LayerGzip), content.Layer(1<<20, ocitest.LayerGzip), content.Layer(1<<20, ocitest.LayerGzip))})
	within := func(what string, begun time.Time) {
		t.Helper()
		if d := time.Since(begun); d < 1300*time.Millisecond || d > 4*time.Second {
			t.Errorf("%s of 3 MiB at 2 MiB/s takes %v", what, d)
		}
	}
	begun := time.Now()
	mustFill(t, mirrorAt(c, reg.Host, 3), content, inv)
	within("push", begun)
	begun = time.Now()
	pulled(t, c, reg.Host, inv)
	within("pull", begun)
}

// A limited connection that is closed does not wait any more.
func TestLimitEndsWithItsConnection(t *testing.T) {
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if registrytest.Kind(r) == "GET blob" {
			w.Write(make([]byte, 1<<20))
		}
	})
	c := quick(t, Config{Authfile: authfile(t, nil), LimitRate: limit.MinBurst})
	r, err := c.Repository(oci.Ref{Registry: host, Repository: "a"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	rc, err := r.Open(ctx, oci.Descriptor{Digest: oci.Digest(make([]byte, 1<<20)), Size: 1 << 20}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	time.AfterFunc(100*time.Millisecond, cancel)
	begun := time.Now()
	if _, err := io.Copy(io.Discard, rc); !errors.Is(err, context.Canceled) || time.Since(begun) > 5*time.Second {
		t.Errorf("ended after %v: %v", time.Since(begun), err)
	}
}
