package renderer

import (
	"os/exec"
	"syscall"
)

// diesWithParent makes the kernel end the child when this process is killed.
func diesWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
