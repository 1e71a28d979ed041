package octest

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// Block is the commands between two lines of three backticks, and what came of them.
type Block struct {
	Step     string // the heading above it
	Commands string
	Output   string
	Err      error // how its last command ended
}

// Page runs each block of commands of a page in a directory, one after the other, as a person
// pastes them: what fails does not end it ([Cluster.Failed] has it). path are directories with
// further programs that the page names.
func (c *Cluster) Page(t testing.TB, dir string, page []byte, path ...string) (done []Block) {
	t.Helper()
	functions, bin := c.oc(t)
	for _, b := range Blocks(page) {
		cmd := proctest.Command(t, "bash", "-c", functions+b.Commands)
		cmd.Dir = dir
		dirs := append([]string{bin}, path...)
		cmd.Env = append(os.Environ(), "PATH="+strings.Join(dirs, ":")+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		b.Output, b.Err = string(out), err
		done = append(done, b)
	}
	return done
}

// client is oc: it hands the directory that it was started in, its arguments and what is piped in to
// the test, and prints what that answers. It is a function, as are the programs for loops that wait
// (nothing takes time here, so one turn is enough): starting a process costs more than the command.
// A shell cannot hold a NUL, so what has one is copied by head.
const client = `
oc() {
  local A FD CODE OUT ERR RAW TEXT LC_ALL=C
  exec {FD}<>/dev/tcp/%s/%s || return
  printf '%%s\0' "$PWD" "$#" "$@" >&$FD
  for A; do [ "$A" != - ] || base64 >&$FD; done
  printf '\0' >&$FD
  read -r CODE OUT ERR RAW <&$FD || return
  if [ "$RAW" = true ]; then head -c "$OUT" <&$FD
  elif [ "$OUT" != 0 ]; then IFS= read -r -N "$OUT" TEXT <&$FD; printf %%s "$TEXT"; fi
  if [ "$ERR" != 0 ]; then IFS= read -r -N "$ERR" TEXT <&$FD; printf %%s "$TEXT" >&2; fi
  exec {FD}>&-
  return "$CODE"
}
sleep() { :; }
seq() { echo 1; }
`

// oc gives the functions for a shell, and a directory with the program oc, for others than a shell
// to start.
func (c *Cluster) oc(t testing.TB) (functions, dir string) {
	t.Helper()
	host, port, err := net.SplitHostPort(c.serve(t))
	if err != nil {
		t.Fatal(err)
	}
	functions, dir = fmt.Sprintf(client, host, port), t.TempDir()
	syscall.ForkLock.RLock() // who is forked while the file is open for writing keeps it from being run
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(filepath.Join(dir, "oc"), []byte("#!/bin/bash\n"+functions+"oc \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return functions, dir
}

// serve answers oc at an address until the test ends.
func (c *Cluster) serve(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go c.serveOne(conn)
		}
	}()
	return l.Addr().String()
}

// serveOne answers one command: its exit code, how many bytes it prints to each stream, and whether
// there are NULs among them; then the bytes. A client that has gone needs no answer.
func (c *Cluster) serveOne(conn net.Conn) {
	defer conn.Close()
	in, err := readCall(bufio.NewReader(conn))
	out := answer{Err: fmt.Sprintf("octest: %v\n", err), Code: 1}
	if err == nil {
		out = c.run(in)
	}
	fmt.Fprintf(conn, "%d %d %d %t\n%s%s", out.Code, len(out.Out), len(out.Err), strings.Contains(out.Out, "\x00"), out.Out, out.Err)
}

// readCall reads what the client writes, each part with a NUL behind it.
func readCall(r *bufio.Reader) (in call, err error) {
	next := func() string {
		part, failed := r.ReadString(0)
		err = cmp.Or(err, failed)
		return strings.TrimSuffix(part, "\x00")
	}
	in.Dir = next()
	count, failed := strconv.Atoi(next())
	for range count {
		in.Args = append(in.Args, next())
	}
	stdin, damaged := base64.StdEncoding.DecodeString(next())
	in.Stdin = string(stdin)
	return in, cmp.Or(err, failed, damaged)
}

// Blocks gives the commands of a page.
func Blocks(page []byte) (list []Block) {
	step, in := "", false
	for line := range strings.SplitSeq(string(page), "\n") {
		switch {
		case line == "```":
			if in = !in; in {
				list = append(list, Block{Step: step})
			}
		case in:
			list[len(list)-1].Commands += line + "\n"
		case strings.HasPrefix(line, "#"):
			step = strings.TrimLeft(line, "# ")
		}
	}
	return list
}
