// Package notice is how a job speaks while it runs: lines for a log, and how many of its
// bytes are done. A job knows neither the terminal nor the form of the lines.
package notice

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/satchel-airgap/satchel/oci"
)

// Reporter shows how far a job is.
type Reporter interface {
	// Progress begins to show what is being done; done of total bytes are finished already.
	Progress(what string, done, total int64) Progress
}

// Progress is one piece of work that is shown. It may be used concurrently.
type Progress interface {
	Add(n int64) // n more bytes are done
	End()
}

// To is where a job's notices go. The zero value discards them.
type To struct {
	Log      *slog.Logger
	Reporter Reporter
}

// Debug writes a line for people who look for a fault.
func (t To) Debug(format string, args ...any) { t.log(slog.LevelDebug, format, args) }

// Info writes a line about what is being done.
func (t To) Info(format string, args ...any) { t.log(slog.LevelInfo, format, args) }

// Warn writes a line that the user should know of.
func (t To) Warn(format string, args ...any) { t.log(slog.LevelWarn, format, args) }

func (t To) log(level slog.Level, format string, args []any) {
	if t.Log != nil && t.Log.Enabled(context.Background(), level) {
		t.Log.Log(context.Background(), level, fmt.Sprintf(format, args...))
	}
}

// Progress begins to show what is being done.
func (t To) Progress(what string, done, total int64) Progress {
	if t.Reporter == nil {
		return silent{}
	}
	return t.Reporter.Progress(what, done, total)
}

type silent struct{}

func (silent) Add(int64) {}
func (silent) End()      {}

// Counted adds the bytes that are read from src to the progress.
func Counted(p Progress, src oci.Source) oci.Source {
	return oci.SourceFunc(func(ctx context.Context, d oci.Descriptor, off int64) (io.ReadCloser, error) {
		rc, err := src.Open(ctx, d, off)
		if err != nil {
			return nil, err
		}
		return &countedReader{rc, p}, nil
	})
}

type countedReader struct {
	io.ReadCloser
	p Progress
}

func (r *countedReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.p.Add(int64(n))
	return n, err
}
