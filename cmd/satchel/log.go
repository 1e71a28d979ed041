package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	formatText = "text"
	formatJSON = "json"
)

// logFlags choose what is logged on stderr, and how.
type logFlags struct {
	level  string
	format string
	file   string
	quiet  bool
}

// newHandler makes the handler that the flags ask for.
func newHandler(f logFlags, w io.Writer) (slog.Handler, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return nil, usage(fmt.Errorf("unknown log level %q", f.level), "use --log-level debug, info, warn or error")
	}
	if f.quiet {
		level = max(level, slog.LevelError)
	}
	quietLibraries(level)
	switch f.format {
	case formatJSON:
		return slog.NewJSONHandler(escaping{w}, &slog.HandlerOptions{Level: level}), nil
	case formatText:
		return newTextHandler(w, level), nil
	}
	return nil, usage(fmt.Errorf("unknown log format %q", f.format), "use --log-format text or json")
}

// quietLibraries drops what containers/image logs itself, such as that no runtime
// directory is set, unless the level is debug.
func quietLibraries(level slog.Level) {
	if level > slog.LevelDebug {
		logrus.SetLevel(logrus.ErrorLevel)
	}
}

// textHandler writes lines for people: the message is the line itself.
type textHandler struct {
	w     io.Writer
	level slog.Level
	mu    *sync.Mutex
	attrs []slog.Attr
}

func newTextHandler(w io.Writer, level slog.Level) *textHandler {
	return &textHandler{w: w, level: level, mu: &sync.Mutex{}}
}

func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString("satchel: ")
	case r.Level >= slog.LevelWarn:
		b.WriteString("satchel: warning: ")
	case r.Level < slog.LevelInfo:
		b.WriteString("debug: ")
	}
	b.WriteString(r.Message)
	attr := func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range h.attrs {
		attr(a)
	}
	r.Attrs(attr)
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, text.Printable(text.Joined(b.String()))+"\n") // names of files may have control characters
	return err
}

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	other := *h
	other.attrs = append(other.attrs[:len(other.attrs):len(other.attrs)], attrs...)
	return &other
}

// WithGroup has no use for groups: a line for people has no room for them.
func (h *textHandler) WithGroup(string) slog.Handler { return h }
