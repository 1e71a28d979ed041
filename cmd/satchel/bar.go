package main

import (
	"io"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const (
	widestBar   = 20 // columns
	leastBar    = 5  // columns; less shows nothing
	aroundBar   = 8  // columns: the percentage and the ends
	usualColumn = 80 // of a terminal that does not know its width
)

// bar is the last line of a terminal. Each change of it is one write, so that it does
// not flicker. The cursor stays at its first column: there it is found again, with all
// that the line has become, when the terminal gets narrower and breaks the line.
type bar struct {
	mu    sync.Mutex
	out   io.Writer
	width func() int // columns of the terminal, now
	last  string
}

// newBar is the last line of the terminal f.
func newBar(f *os.File) *bar {
	return &bar{out: f, width: func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil || columns <= 0 {
			return usualColumn
		}
		return columns
	}}
}

// draw shows done of total: a bar after text, or plain alone where there is no room for one.
func (b *bar) draw(text, plain string, done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.width() - 1 // a character in the last column makes some terminals go on to the next line
	b.last = plain
	if w := min(widestBar, room-utf8.RuneCountInString(text)-aroundBar); w >= leastBar {
		b.last = drawn(text, w, done, total)
	}
	if line := []rune(b.last); len(line) > room {
		b.last = string(line[:max(room, 0)])
	}
	b.write("\r" + b.last + "\x1b[J\r")
}

// drawn is a bar of some columns after text, with the percentage.
func drawn(text string, columns int, done, total int64) string {
	p := progressbar.NewOptions64(total, progressbar.OptionSetWriter(io.Discard), progressbar.OptionSetWidth(columns), progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false), progressbar.OptionEnableColorCodes(false))
	_ = p.Set64(done) // it writes nowhere
	p.Describe(text)
	return strings.TrimRight(strings.TrimLeft(p.String(), "\r"), " ")
}

// above has draw write whole lines above the bar.
func (b *bar) above(draw func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == "" {
		return draw()
	}
	b.write("\r\x1b[J")
	err := draw()
	b.write("\r" + b.last + "\r")
	return err
}

// clear takes the bar away.
func (b *bar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last != "" {
		b.last = ""
		b.write("\r\x1b[J")
	}
}

// write does without what cannot be drawn: that is no reason to stop.
func (b *bar) write(s string) { _, _ = io.WriteString(b.out, s) }
