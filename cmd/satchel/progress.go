package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
)

const (
	drawEvery  = 200 * time.Millisecond // on a terminal
	plainEvery = 10 * time.Second       // a line, where there is none
)

// progress shows how many of a number of bytes are done: a bar on a terminal,
// else a plain line now and then. It may be used concurrently.
type progress struct {
	a     *app
	what  string
	total int64
	start time.Time
	first int64 // bytes done before this run
	done  atomic.Int64
	bar   *bar
	stop  chan struct{}
	ended sync.WaitGroup
}

// Progress begins to show; first of the total bytes are done already.
func (a *app) Progress(what string, first, total int64) notice.Progress {
	return a.newProgress(what, first, total)
}

func (a *app) newProgress(what string, first, total int64) *progress {
	p := &progress{a: a, what: what, total: total, first: first, start: time.Now(), stop: make(chan struct{})}
	p.done.Store(first)
	if a.noProgress || total == 0 || a.quiet.Load() {
		return p
	}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && a.flags.format != formatJSON {
		p.bar = newBar(f)
		a.bar.Store(p.bar)
		p.every(drawEvery, p.draw)
		return p
	}
	p.every(plainEvery, func() { a.info("%s", p.line()) })
	return p
}

// draw shows on the terminal how far it is.
func (p *progress) draw() { p.bar.draw(p.text(""), p.line(), p.shown(), p.total) }

func (p *progress) every(d time.Duration, show func()) {
	p.ended.Go(func() {
		t := time.NewTicker(d)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				show()
			case <-p.stop:
				return
			}
		}
	})
}

// shown never passes the total, even when bytes had to be read twice.
func (p *progress) shown() int64 { return min(p.done.Load(), p.total) }

// line is all in words.
func (p *progress) line() string { return p.text(fmt.Sprintf(" (%d%%)", p.shown()*100/p.total)) }

// text has bytes, rate and time left; percent follows the bytes.
func (p *progress) text(percent string) string {
	done := p.shown()
	rate := float64(done-p.first) / time.Since(p.start).Seconds()
	s := fmt.Sprintf("%s %s of %s%s, %s/s", p.what, bundle.FormatSize(done), bundle.FormatSize(p.total), percent, bundle.FormatSize(int64(rate)))
	if rate > 0 && done < p.total {
		s += fmt.Sprintf(", %s left", time.Duration(float64(p.total-done)/rate*float64(time.Second)).Round(time.Second))
	}
	return s
}

// Add says that n more bytes are done.
func (p *progress) Add(n int64) { p.done.Add(n) }

// End takes the bar away.
func (p *progress) End() {
	close(p.stop)
	p.ended.Wait()
	if p.bar != nil {
		p.bar.clear()
		p.a.bar.Store(nil)
	}
}
