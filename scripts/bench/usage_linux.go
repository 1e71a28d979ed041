package main

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// measure runs a command to its end. The peak is at least this process's own,
// because Linux hands that down to the processes it starts.
func measure(cmd *exec.Cmd) (usage, error) {
	var u usage
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return u, err
	}
	for { // its end, without removing what the kernel knows of it
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return u, errors.Join(fmt.Errorf("wait for process: %w", err), cmd.Process.Kill(), cmd.Wait())
		}
	}
	u.wall = time.Since(began)
	err := errors.Join(u.readIO(cmd.Process.Pid), cmd.Wait())
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.cpu = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
		u.peak = ru.Maxrss * kib
	}
	return u, err
}
