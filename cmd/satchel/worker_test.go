package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// A start of satchel costs a tenth of a second of CPU, most of it in the initialization
// of libraries. Commands of one world that nothing disturbs share a process: a worker
// runs one after another.

// order is what a worker is to run.
type order struct{ Args []string }

// answer is what a command in a worker left.
type answer struct {
	Code           int
	Stdout, Stderr []byte
}

// work is the worker's process: it runs the orders of its standard input.
func work() {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			os.Exit(0) // the world has ended
		}
		var stdout, stderr bytes.Buffer
		code := run(o.Args, nil, &stdout, &stderr)
		if err := out.Encode(answer{code, stdout.Bytes(), stderr.Bytes()}); err != nil {
			os.Exit(1)
		}
	}
}

// worker is a process that runs the commands of a world, none until there is one.
type worker struct {
	mu  sync.Mutex // held while a command runs
	env []string   // of the process
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// run gives the result of a command, not ok if it is for a process of its own.
func (k *worker) run(w *world, args []string) (r result, ok bool) {
	if w.alone || !k.mu.TryLock() {
		return r, false // another command of the world is running
	}
	defer k.mu.Unlock()
	cmd := w.command(args...)
	if !slices.Equal(k.env, cmd.Env) {
		k.end()
	}
	if k.cmd == nil {
		if err := k.start(w, cmd.Env); err != nil {
			w.t.Fatalf("start a worker: %v", err)
		}
	}
	began := time.Now()
	hangs := time.AfterFunc(proctest.Limit, func() { _ = k.cmd.Process.Signal(syscall.SIGQUIT) }) // it prints where it stands
	defer hangs.Stop()
	var a answer
	err := json.NewEncoder(k.in).Encode(order{args})
	if err == nil {
		err = k.out.Decode(&a)
	}
	if err != nil {
		k.end()
		w.t.Fatalf("satchel %q in a worker: %v", args, err)
	}
	return result{w.t, cmd.Args, a.Code, string(a.Stdout), string(a.Stderr), time.Since(began)}, true
}

func (k *worker) start(w *world, env []string) error {
	cmd := exec.Command("satchel-worker")
	cmd.Dir, cmd.Env, cmd.Stderr = w.dir, env, os.Stderr
	in, ierr := cmd.StdinPipe()
	out, oerr := cmd.StdoutPipe()
	if err := errors.Join(ierr, oerr, cmd.Start()); err != nil {
		return err
	}
	k.env, k.cmd, k.in, k.out = env, cmd, in, json.NewDecoder(out)
	w.t.Cleanup(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.end()
	})
	return nil
}

// end ends the process, if there is one.
func (k *worker) end() {
	if k.cmd == nil {
		return
	}
	_ = k.in.Close()
	_ = k.cmd.Process.Kill() // it has nothing to finish
	_ = k.cmd.Wait()
	k.cmd, k.env = nil, nil
}

// TestWorker compares a command in a worker with one in a process of its own.
func TestWorker(t *testing.T) {
	t.Parallel()
	shared, alone := newWorld(t), newWorld(t)
	alone.alone = true
	for _, args := range [][]string{{"version"}, {"verify", "/nonexistent"}, {"unpack"}, {"list", "."}} {
		a, b := shared.run(args...), alone.run(args...)
		if a.code != b.code || a.stdout != b.stdout || a.stderr != b.stderr {
			t.Errorf("%q: exit %d, %q, %q in a worker; %d, %q, %q alone", args, a.code, a.stdout, a.stderr, b.code, b.stdout, b.stderr)
		}
	}
}
