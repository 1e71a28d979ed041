// Package proctest starts the programs that tests need, and has none of them run without end: one
// that hangs is ended and fails its own test by name, long before go test gives the whole package up.
package proctest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// Limit is how long a program may take: many times what the longest takes on a busy machine.
	Limit = 2 * time.Minute
	// Build is how long what compiles may take, with nothing in the build cache.
	Build = 10 * time.Minute
	// grace is how long a program that was told to end may write what it was doing, and how long
	// what a program has left behind may hold its output open.
	grace = 5 * time.Second
)

// Command is [exec.Command] for a program that ends within [Limit] and with its test.
func Command(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	return Within(t, Limit, name, args...)
}

// Within is [Command] with another limit. With SATCHEL_SOAK=1, that is ten times as long.
func Within(t testing.TB, limit time.Duration, name string, args ...string) *exec.Cmd {
	t.Helper()
	if os.Getenv("SATCHEL_SOAK") != "" {
		limit *= 10
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit) // not the test's: what cleans up runs after that has ended
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = grace
	cmd.Cancel = func() error {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return cmd.Process.Kill()
		}
		t.Errorf("this program still ran after %v: %s", limit, strings.Join(cmd.Args, " "))
		return cmd.Process.Signal(syscall.SIGQUIT) // a Go program prints where each of its goroutines stands
	}
	return cmd
}
