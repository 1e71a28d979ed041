package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

// errAnswer says that a question was answered by Ctrl-C, Ctrl-D or q, or not at all.
var errAnswer = fmt.Errorf("the question was not answered: %w", context.Canceled)

// errMidway says that it was a question in the middle of the work.
var errMidway = errors.New("the work had begun")

// midway says so of an answer that ends the run.
func midway(err error) error {
	if errors.Is(err, errAnswer) {
		return errors.Join(errMidway, err)
	}
	return err
}

// mostAsked is how often a question is asked that gets no answer it can have.
const mostAsked = 3

// terminal is where people are asked: the controlling terminal, as age does it,
// so that standard input may be a pipe.
type terminal struct {
	tty   *os.File
	lines *term.Terminal // stays: it may hold what was typed ahead
}

// ui lets the library ask; nothing is opened before it does.
func (a *app) ui(ctx context.Context) *bundle.UI {
	t := &terminal{}
	return &bundle.UI{
		Ask:     func(prompt string, secret bool) (string, error) { return t.ask(ctx, prompt, secret) },
		Confirm: func(prompt, yes, no string) (bool, error) { return t.confirm(ctx, prompt, yes, no) },
		Notify:  func(message string) { a.warn("%s", text.Printable(text.OneLine(message))) },
	}
}

func (t *terminal) open() error {
	if t.tty != nil {
		return nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		if !term.IsTerminal(int(os.Stdin.Fd())) {
			return bundle.ErrNoTerminal
		}
		tty = os.Stdin
	}
	t.tty, t.lines = tty, term.NewTerminal(tty, "")
	return nil
}

// ask reads a line, unseen if it is secret.
func (t *terminal) ask(ctx context.Context, prompt string, secret bool) (s string, err error) {
	err = t.raw(ctx, func() error {
		if secret {
			s, err = t.lines.ReadPassword(text.Printable(prompt))
		} else {
			t.lines.SetPrompt(text.Printable(prompt))
			s, err = t.lines.ReadLine()
		}
		return err
	})
	return s, err
}

// confirm lets choose; an empty no leaves no choice.
func (t *terminal) confirm(ctx context.Context, prompt, yes, no string) (bool, error) {
	if no == "" {
		_, err := t.ask(ctx, fmt.Sprintf("%s (Enter: %s) ", prompt, yes), false)
		return err == nil, err
	}
	confirmed := false
	err := t.choose(ctx, fmt.Sprintf("%s (1: %s, 2: %s) ", prompt, yes, no), fmt.Sprintf("1 for %s, 2 for %s", yes, no), func(s string) bool {
		confirmed = answers(s, "1", yes)
		return confirmed || answers(s, "2", no)
	})
	return confirmed, err
}

// choose asks until take accepts the answer, a few times at most; q ends it. allowed says
// what the answers are.
func (t *terminal) choose(ctx context.Context, prompt, allowed string, take func(string) bool) error {
	for n := range mostAsked {
		s, err := t.ask(ctx, prompt, false)
		switch typed := strings.ToLower(strings.TrimSpace(s)); {
		case err != nil:
			return err
		case take(s):
			return nil
		case typed == "q" || typed == "quit":
			return errAnswer
		}
		if n < mostAsked-1 {
			fmt.Fprintf(t.tty, "type %s, or q to stop\n", allowed)
		}
	}
	return errAnswer
}

// answers reports whether what was typed is the number, the word or its first letter.
func answers(typed, number, word string) bool {
	typed = strings.TrimSpace(typed)
	return typed == number || strings.EqualFold(typed, word) || typed != "" && strings.EqualFold(typed, word[:1])
}

// raw lets f read with the terminal in raw mode, in which Ctrl-C is a character
// and no signal can leave the terminal mute. The run's end ends the reading.
func (t *terminal) raw(ctx context.Context, f func() error) error {
	if err := t.open(); err != nil {
		return err
	}
	conn, err := t.tty.SyscallConn() // Fd would make reads deaf to deadlines
	if err != nil {
		return fmt.Errorf("ask on the terminal: %w", err)
	}
	var state *term.State
	var merr error
	if err := conn.Control(func(fd uintptr) { state, merr = term.MakeRaw(int(fd)) }); err != nil || merr != nil {
		return fmt.Errorf("ask on the terminal: %w", errors.Join(err, merr))
	}
	stop := context.AfterFunc(ctx, func() { _ = t.tty.SetReadDeadline(time.Unix(1, 0)) }) // not every terminal can
	err = f()
	stop()
	rerr := conn.Control(func(fd uintptr) { merr = term.Restore(int(fd), state) })
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF):
		return errAnswer
	case errors.Is(err, term.ErrPasteIndicator):
		err = nil
	}
	if err = errors.Join(err, rerr, merr); err != nil {
		return fmt.Errorf("ask on the terminal: %w", err)
	}
	return nil
}
