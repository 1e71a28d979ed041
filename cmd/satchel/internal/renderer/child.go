package renderer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"

	"github.com/satchel-airgap/satchel/manifests"
)

const (
	maxStack = 64 << 20              // bytes
	glance   = 10 * time.Millisecond // between two looks at what was taken
)

// Serve is the child: it answers a request, and gives the exit status.
func Serve(args []string, version string, stdin io.Reader, stdout, stderr io.Writer) int {
	most, err := boundsOf(args, version)
	if err != nil {
		fmt.Fprintf(stderr, "%s is a part of plan and pack\n", Command)
		return exitOther
	}
	// The parent gets the same signals, and ends this process.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if err := most.set(); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	in, request := io.Pipe()
	go func() {
		_, _ = io.Copy(request, stdin)
		os.Exit(exitFailed) // the parent is gone
	}()
	if err := manifests.ServeChart(in, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}

// boundsOf reads the arguments of a child: the version, memory and CPU time.
func boundsOf(args []string, version string) (bounds, error) {
	if len(args) != 3 || args[0] != version {
		return bounds{}, errors.New("another version asks")
	}
	memory, merr := strconv.ParseInt(args[1], 10, 32)
	cpu, cerr := strconv.ParseInt(args[2], 10, 32)
	return bounds{memory: memory, cpu: cpu}, errors.Join(merr, cerr)
}

// set bounds what this process may take from now on. The system's own count of memory is twice
// Go's: it stops a single allocation, which nothing within the process can.
func (b bounds) set() error {
	memory := b.memory << 20
	debug.SetMemoryLimit(memory * 3 / 4)
	debug.SetMaxStack(maxStack)
	for resource, most := range map[int]int64{syscall.RLIMIT_DATA: 2 * memory, syscall.RLIMIT_CPU: b.cpu, syscall.RLIMIT_CORE: 0, syscall.RLIMIT_FSIZE: 0} {
		if err := lower(resource, uint64(most)); err != nil {
			return fmt.Errorf("limit the process of a chart: %w", err)
		}
	}
	spent := make(chan os.Signal, 1)
	signal.Notify(spent, syscall.SIGXCPU)
	go watch(uint64(memory), spent)
	return nil
}

// lower sets a limit, unless a lower one is set. The hard limit stays: a signal comes at the soft one.
func lower(resource int, most uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(resource, &now); err != nil {
		return err
	}
	if now.Cur = min(now.Cur, most); resource != syscall.RLIMIT_CPU {
		now.Max = min(now.Max, most)
	}
	return syscall.Setrlimit(resource, &now)
}

// watch ends this process when it has taken too much.
func watch(memory uint64, spent <-chan os.Signal) {
	count := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	for range time.Tick(glance) {
		if metrics.Read(count); count[0].Value.Uint64()-count[1].Value.Uint64() > memory {
			os.Exit(exitMemory)
		}
		select {
		case <-spent:
			os.Exit(exitCPU)
		default:
		}
	}
}
