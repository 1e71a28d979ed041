package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/satchel-airgap/satchel/oci"
)

// TestLimits has a little more in an index than it may have: it is neither read nor written.
func TestLimits(t *testing.T) {
	t.Parallel()
	long := image
	for i := range maxElements / 2 {
		long.Tags = append(long.Tags, fmt.Sprint(i))
	}
	document := oci.Document{Name: "a", Root: image.Root}
	for name, c := range map[string]struct {
		one  line
		n    int
		want string
	}{
		"documents": {line{Document: &document}, maxDocuments + 1, "more than 1024 documents"},
		"elements":  {line{Image: &long}, 3, "more than 524288 tags, reasons and other elements of lists"},
		"gaps":      {line{Gap: &oci.Gap{Image: image, Err: errors.New("x")}}, maxGaps + 1, "more than 65536 gaps"},
	} {
		body, err := json.Marshal(c.one)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(unpacked(t, written(t)), "\n")
		var small bytes.Buffer
		z, err := zstd.NewWriter(&small, zstd.WithWindowSize(maxWindow))
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintln(z, first)
		for i := range c.n {
			_, lerr := fmt.Fprintln(z, strings.Replace(string(body), `"tag":"v1"`, fmt.Sprintf(`"tag":"v%d"`, i), 1))
			err = errors.Join(err, lerr)
		}
		if err = errors.Join(err, z.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(&small); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s are read: %.200v", name, err)
		}
		w, err := NewWriter(io.Discard, header)
		for i := 0; err == nil && i < c.n; i++ {
			err = w.line(c.one)
		}
		if err == nil || !strings.Contains(err.Error(), c.want+"; carry the images in several bundles") {
			t.Errorf("%s are written: %.200v", name, err)
		}
	}
}

// TestTally counts what a test cannot write: the last line that is allowed, and one more.
func TestTally(t *testing.T) {
	t.Parallel()
	whole := Segment{Tar: maxBytes}
	for name, c := range map[string]struct {
		at  tally
		add line
	}{
		"blobs":  {tally{blobs: maxBlobs}, line{Blob: &Blob{}}},
		"pieces": {tally{pieces: maxPieces - 1}, line{Blob: &Blob{At: make([]Piece, 2)}}},
		"images": {tally{images: maxImages}, line{Image: &image}},
		"tar":    {tally{tar: maxTar - maxBytes + 1}, line{Segment: &whole}},
		"kept":   {tally{tar: maxTar}, line{Kept: &whole}},
		"sum":    {tally{tar: maxTar}, line{Segment: &Segment{Tar: math.MaxInt64}}},
	} {
		at := c.at
		if err := at.check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := at.add(&c.add, 0); err == nil {
			t.Errorf("%s: one more is allowed: %+v", name, at)
		}
	}
}
