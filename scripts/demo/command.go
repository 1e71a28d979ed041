package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// build makes the satchel binary in dir.
func build(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", dir+string(filepath.Separator), "github.com/satchel-airgap/satchel/cmd/satchel")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build satchel: %w\n%s", err, out)
	}
	return nil
}

// say prints the comment above the next command line.
func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "\n# "+format+"\n", args...)
}

// command prints the command line as a user would type it and prepares to run
// it in the work directory. Nothing of the user's own settings reaches it.
func (d *demo) command(ctx context.Context, args ...string) (*exec.Cmd, *bytes.Buffer) {
	fmt.Fprintf(d.out, "$ satchel %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, filepath.Join(d.dir, "satchel"), args...)
	cmd.Dir = filepath.Join(d.dir, "work")
	cmd.Env = d.env()
	stdout := &bytes.Buffer{}
	screen := &indented{w: d.out, start: true}
	cmd.Stdout, cmd.Stderr = io.MultiWriter(screen, stdout), screen
	return cmd, stdout
}

// env is the environment of all programs.
func (d *demo) env() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.dir, "TMPDIR=" + d.dir,
		"XDG_STATE_HOME=" + filepath.Join(d.dir, "state"), "XDG_CONFIG_HOME=" + filepath.Join(d.dir, "config"),
		"XDG_RUNTIME_DIR=" + filepath.Join(d.dir, "run"),
	}
	if d.signatures != nil {
		env = append(env, d.signatures.env(d.dir)...)
	}
	return env
}

// satchel runs a command to its end and returns its standard output.
func (d *demo) satchel(ctx context.Context, args ...string) (string, error) {
	cmd, stdout := d.command(ctx, args...)
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("satchel %s: %w", args[0], err)
	}
	return stdout.String(), nil
}

// killed runs a command and kills it by SIGKILL once half bytes have gone through g.
func (d *demo) killed(ctx context.Context, g *gate, half int64, args ...string) error {
	reached := g.hold(half)
	defer g.release()
	cmd, _ := d.command(ctx, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return fmt.Errorf("satchel %s ended before half of the bytes had moved: %v", args[0], err)
	case <-reached:
	}
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return fmt.Errorf("satchel %s was to be killed, but: %v", args[0], err)
	}
	fmt.Fprintf(d.out, "  Killed (by the demo, after %s)\n", size(half))
	return nil
}

// indented sets a command's output off from the demo's own lines.
type indented struct {
	mu    sync.Mutex
	w     io.Writer
	start bool // at the start of a line
}

func (i *indented) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for line := range bytes.Lines(p) {
		if i.start {
			if _, err := io.WriteString(i.w, "  "); err != nil {
				return 0, err
			}
		}
		if _, err := i.w.Write(line); err != nil {
			return 0, err
		}
		i.start = line[len(line)-1] == '\n'
	}
	return len(p), nil
}
