package notice_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/oci"
)

type counter struct{ n, ends int64 }

func (c *counter) Progress(_ string, done, _ int64) notice.Progress {
	c.n = done
	return c
}
func (c *counter) Add(n int64) { c.n += n }
func (c *counter) End()        { c.ends++ }

// TestTo: the zero value discards, the other writes lines and counts what is read.
func TestTo(t *testing.T) {
	t.Parallel()
	src := oci.SourceFunc(func(context.Context, oci.Descriptor, int64) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("0123456789")), nil
	})
	var log bytes.Buffer
	var c counter
	for _, to := range []notice.To{{}, {Log: slog.New(slog.NewTextHandler(&log, nil)), Reporter: &c}} {
		to.Warn("%d of them", 3)
		to.Debug("hidden")
		p := to.Progress("packing", 5, 15)
		rc, err := notice.Counted(p, src).Open(t.Context(), oci.Descriptor{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(rc); err != nil {
			t.Fatal(err)
		}
		p.End()
	}
	if c.n != 15 || c.ends != 1 || !strings.Contains(log.String(), `level=WARN msg="3 of them"`) || strings.Contains(log.String(), "hidden") {
		t.Errorf("counted %+v, wrote %q", c, log.String())
	}
}
