//go:build !linux

package renderer

import "os/exec"

// diesWithParent has nothing to add: the end of its input ends the child.
func diesWithParent(*exec.Cmd) {}
