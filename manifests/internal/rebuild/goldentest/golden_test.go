// Package goldentest holds the bytes of built layers against golden digests, on both
// architectures. It is a package of its own because it is built twice.
package goldentest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// The layer of TestGolden. Its bytes decide the digest of every image that is
// built, on whatever machine: the same pack from amd64 and from arm64 is one
// image. The encoder is pinned in go.mod. Raise it for a reason only: with new
// digests each mirror gets the filtered catalogs once more.
const (
	goldenBlob   = "sha256:2bb292dc6814e4f0cf3132d35c244a3be746998a9cc158da615800e70dddf7aa"
	goldenDiffID = "sha256:95577ed69d765be4912eec322ebef8c256ef8b37052668eee293b815b7032ce9"
	goldenSize   = 815_465
)

// discard is where a layer is written whose digest alone is of interest.
type discard struct{}

func (discard) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	return oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(body), Size: int64(len(body))}, nil
}

func (d discard) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	var b bytes.Buffer
	err := fill(&b)
	body, _ := d.Put(mediaType, b.Bytes())
	return body, err
}

// text is what catalogs are made of, from a seed: JSON that repeats itself.
func text(n int) []byte {
	rnd := rand.New(rand.NewPCG(1, 1))
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "{\"schema\":\"olm.bundle\",\"name\":\"operator.v1.%d.%d\",\"image\":\"registry.example/operators/bundle@sha256:%016x%016x\"}\n",
			i, rnd.IntN(20), rnd.Uint64(), rnd.Uint64())
	}
	return b.Bytes()[:n]
}

// TestGolden has text longer than a window of the encoder, bytes that do not
// compress, zeros, an empty file, and writes of other sizes than its blocks.
func TestGolden(t *testing.T) {
	noise := make([]byte, 300_000)
	seed := rand.NewChaCha8([32]byte{1})
	_, _ = seed.Read(noise)
	l, err := rebuild.NewLayer(discard{}, func(w *rebuild.Tar) error {
		add := func(name string, body []byte) error {
			return w.File(name, 0o644, int64(len(body)), struct{ io.Reader }{bytes.NewReader(body)})
		}
		return errors.Join(w.Dir("configs", 0o755), w.Opaque("configs"), add("configs/a.json", text(3_000_000)), add("configs/empty", nil),
			add("configs/noise", noise), add("configs/zeros", make([]byte, 1_000_001)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if l.DiffID != goldenDiffID {
		t.Errorf("the tar has changed: its digest is %s", l.DiffID)
	}
	if l.Blob.Digest != goldenBlob || l.Blob.Size != goldenSize {
		t.Errorf("the encoder gives other bytes on %s: %s, %d bytes", runtime.GOARCH, l.Blob.Digest, l.Blob.Size)
	}
}

// TestGoldenEmulated runs TestGolden as a program of the other architecture.
func TestGoldenEmulated(t *testing.T) {
	other, machine := "arm64", "aarch64"
	if runtime.GOARCH == other {
		other, machine = "amd64", "x86_64"
	}
	qemu := ""
	for _, name := range []string{"qemu-" + machine + "-static", "qemu-" + machine} {
		if path, err := exec.LookPath(name); err == nil {
			qemu = path
		}
	}
	switch {
	case runtime.GOOS != "linux":
		t.Skip("programs of another architecture are only run on Linux")
	case qemu == "":
		t.Skipf("qemu-%s-static is not installed: %s was not tested", machine, other)
	case testing.Short():
		t.Skip("it builds the test once more")
	}
	cmd := proctest.Within(t, proctest.Build, "go", "test", "-exec", qemu, "-run", "^TestGolden$", "-v", ".")
	cmd.Env = append(os.Environ(), "GOARCH="+other, "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestGolden ")) {
		t.Errorf("on %s: %v\n%s", other, err, out)
	}
}
