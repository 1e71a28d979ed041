package renderer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Command is the argument that makes satchel a child; the version of the parent follows.
const Command = "render-chart"

// bounds are what a child may take.
type bounds struct {
	memory int64 // MiB, as Go counts them
	cpu    int64 // seconds of CPU time
	time   time.Duration
}

// usual is more than ten times what charts of the usual kind take.
var usual = bounds{memory: 256, cpu: 15, time: 20 * time.Second}

// Exit statuses of a child; 2 is that of a crash of Go.
const (
	exitOK     = 0
	exitFailed = 1
	exitMemory = 10
	exitCPU    = 11
	exitOther  = 12 // it is another satchel
)

// maxStderr is how much of a crash is kept: its first lines say what it is.
const maxStderr = 4 << 10

// New gives a process for charts. version is that of this program.
func New(version string) manifests.ChartRenderer {
	turn := make(chan struct{}, 1)
	return func(ctx context.Context, in io.Reader, out io.Writer) error {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-turn }()
		return run(ctx, version, usual, in, out)
	}
}

// run is one child.
func run(ctx context.Context, version string, most bounds, in io.Reader, out io.Writer) error {
	self, err := executable()
	if err != nil {
		return fmt.Errorf("start a process for the chart: find satchel's own program: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, most.time)
	defer cancel()
	cmd := exec.CommandContext(limited, self, Command, version, strconv.FormatInt(most.memory, 10), strconv.FormatInt(most.cpu, 10))
	cmd.Args[0] = "satchel"
	cmd.Dir = "/"
	cmd.Env = []string{"GOTRACEBACK=none"}
	cmd.WaitDelay = time.Second
	said := &head{}
	cmd.Stdout, cmd.Stderr = out, said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start a process for the chart: %w", err)
	}
	// The child dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	diesWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a process for the chart: %w", err)
	}
	// Its input stays open after the request: its end says that this process is gone.
	go func() { _, _ = io.Copy(stdin, in) }()
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case limited.Err() != nil:
		return &manifests.ChartLimitError{Limit: most.time.String()}
	}
	return most.passed(cmd.ProcessState, err, said.String())
}

// executable is this program, also when its file has been replaced since it was started.
func executable() (string, error) {
	const own = "/proc/self/exe"
	if _, err := os.Stat(own); err == nil {
		return own, nil
	}
	return os.Executable()
}

// passed says why a child came to its end.
func (b bounds) passed(state *os.ProcessState, err error, said string) error {
	if state == nil {
		return fmt.Errorf("wait for the process of the chart: %w", err)
	}
	first, _, _ := strings.Cut(said, "\n")
	memory := &manifests.ChartLimitError{Limit: fmt.Sprintf("%d MiB of memory", b.memory)}
	switch state.ExitCode() {
	case exitOK:
		return err
	case exitMemory:
		return memory
	case exitCPU:
		return &manifests.ChartLimitError{Limit: fmt.Sprintf("%d s of CPU time", b.cpu)}
	case exitOther:
		return errors.New("satchel was replaced while it runs: run the same command again")
	case 2:
		for _, of := range []string{"out of memory", "cannot allocate memory", "stack exceeds"} {
			if strings.Contains(said, of) {
				return memory
			}
		}
		return &manifests.ChartFaultError{Msg: "rendering it crashes: " + text.ASCII(first)}
	case -1:
		return fmt.Errorf("the process of the chart was ended by the system: %v", state)
	}
	return fmt.Errorf("the process of the chart failed: %v %s", state, text.ASCII(first))
}

// head keeps the beginning of what is written.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	if left := maxStderr - h.Len(); left > 0 {
		h.Buffer.Write(p[:min(left, len(p))])
	}
	return len(p), nil
}
