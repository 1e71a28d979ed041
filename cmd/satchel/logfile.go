package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/satchel-airgap/satchel/oci/text"
)

// logFile keeps the lines of a run, of every level, each with its time and without secrets.
// A run is added to what is there.
type logFile struct {
	mu     sync.Mutex
	f      *os.File
	lost   error // the first line that could not be written
	asJSON bool
}

// openLogFile opens the file, and writes the first line, so that a full disk shows.
func openLogFile(name string, asJSON bool, args []string) (*logFile, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, logFileError(name, err)
	}
	l := &logFile{f: f, asJSON: asJSON}
	if info, serr := f.Stat(); serr != nil || info.Mode().IsRegular() && info.Mode().Perm() != 0o600 {
		err = errors.Join(serr, f.Chmod(0o600)) // it was somebody's before
	}
	if err == nil {
		slog.New(l.handler()).Info(fmt.Sprintf("satchel %s: %s", version(), shellWords(append([]string{"satchel"}, args...))))
		err = l.lost
	}
	if info, serr := f.Stat(); err == nil && serr == nil && info.Mode().IsRegular() {
		err = f.Sync()
	}
	if err != nil {
		return nil, logFileError(name, errors.Join(err, f.Close()))
	}
	return l, nil
}

// logFileError says that the log cannot be kept.
func logFileError(name string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	err = fmt.Errorf("write the log to %s: %w", name, err)
	if diskTrouble(err) {
		return &logSpaceError{err}
	}
	return usage(err, "name a file that this user may write to with --log-file")
}

// logSpaceError says that there is no room for the log.
type logSpaceError struct{ err error }

func (e *logSpaceError) Error() string { return e.err.Error() }
func (e *logSpaceError) Unwrap() error { return e.err }

// Hint says what to do now.
func (e *logSpaceError) Hint() string {
	return "make room, or name a file on another disk with --log-file"
}

// handler writes to the file, in the form that was asked for.
func (l *logFile) handler() slog.Handler {
	if l.asJSON {
		return slog.NewJSONHandler(escaping{l}, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	return timedHandler{l, nil}
}

// Write writes one line, without secrets.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.f.WriteString(withoutSecrets(string(line)))
	if l.lost == nil {
		l.lost = err
	}
	return len(line), err
}

// close ends the log, and gives the error of what is missing from it.
func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.lost, l.f.Close())
}

// timedHandler writes lines for people, with their times.
type timedHandler struct {
	l     *logFile
	attrs []slog.Attr
}

func (timedHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h timedHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-5s %s", r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), r.Level, r.Message)
	attr := func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range h.attrs {
		attr(a)
	}
	r.Attrs(attr)
	_, err := h.l.Write([]byte(text.Printable(text.Joined(b.String())) + "\n"))
	return err
}

func (h timedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return timedHandler{h.l, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h timedHandler) WithGroup(string) slog.Handler { return h }

// bothHandler hands each line to two handlers, as far as each wants it.
type bothHandler struct{ a, b slog.Handler }

func (h bothHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.a.Enabled(ctx, l) || h.b.Enabled(ctx, l)
}

func (h bothHandler) Handle(ctx context.Context, r slog.Record) error {
	var errs []error
	for _, one := range []slog.Handler{h.a, h.b} {
		if one.Enabled(ctx, r.Level) {
			errs = append(errs, one.Handle(ctx, r.Clone()))
		}
	}
	return errors.Join(errs...)
}

func (h bothHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bothHandler{h.a.WithAttrs(attrs), h.b.WithAttrs(attrs)}
}

func (h bothHandler) WithGroup(name string) slog.Handler {
	return bothHandler{h.a.WithGroup(name), h.b.WithGroup(name)}
}

const hidden = "(hidden)"

var (
	secretKey  = regexp.MustCompile(`AGE-(SECRET-KEY|PLUGIN)-[A-Za-z0-9-]+`)
	privateKey = regexp.MustCompile(`-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----[^"']*`) // to the end of what was quoted
	header     = regexp.MustCompile(`(?i)((?:proxy-)?authorization"?[:=]\s*"?)[^",;]+`)
	bearer     = regexp.MustCompile(`(?i)\bbearer\s+[A-Za-z0-9._~+/-]*[0-9.][A-Za-z0-9._~+/-]*=*`)
	basic      = regexp.MustCompile(`(?i)\bbasic\s+([A-Za-z0-9+/_-]{4,}={0,2})`)
	userInfo   = regexp.MustCompile(`([^\s/@:"'=]+):([^\s/@"']+)@([A-Za-z0-9.\[-]+)`)
	parameters = regexp.MustCompile(`(?i)\b((?:access_|refresh_|identity)?token|password|passphrase|client_secret|x-amz-signature|sig(?:nature)?)=[^\s&"']+`)
)

// withoutSecrets takes out of a line what looks like a secret. Nothing writes such; a line
// may still quote what somebody else has sent or typed.
func withoutSecrets(line string) string {
	line = secretKey.ReplaceAllString(line, "AGE-$1-"+hidden)
	line = privateKey.ReplaceAllString(line, "-----BEGIN ${1}PRIVATE KEY-----"+hidden)
	line = header.ReplaceAllString(line, "${1}"+hidden)
	line = bearer.ReplaceAllString(line, "Bearer "+hidden)
	line = basic.ReplaceAllStringFunc(line, func(m string) string {
		word := strings.TrimRight(strings.Fields(m)[1], "=")
		if b, err := base64.RawStdEncoding.DecodeString(word); err == nil && strings.Contains(string(b), ":") {
			return "Basic " + hidden
		}
		return m
	})
	line = userInfo.ReplaceAllStringFunc(line, func(m string) string {
		p := userInfo.FindStringSubmatch(m)
		if p[3] == "sha256" || p[3] == "sha512" { // a tag before a digest
			return m
		}
		return p[1] + ":" + hidden + "@" + p[3]
	})
	return parameters.ReplaceAllString(line, "$1="+hidden)
}

// hint writes what to do to the log file; stderr has it already.
func (l *logFile) hint(line string) {
	_ = l.handler().Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelError, "hint: "+line, 0)) // close tells
}
