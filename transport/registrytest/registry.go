package registrytest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const program = "docker-registry"

// Registry is a running registry that speaks plain HTTP.
type Registry struct {
	Host string // 127.0.0.1:port
	Dir  string // its storage
}

// Start runs an empty registry until the test ends. The test is skipped where
// the program is not installed.
func Start(t testing.TB) *Registry {
	t.Helper()
	return start(t, "")
}

// StartAuth is [Start] for a registry that asks for a user name and a password
// (HTTP basic).
func StartAuth(t testing.TB, user, password string) *Registry {
	t.Helper()
	return start(t, fmt.Sprintf("auth:\n  htpasswd:\n    realm: test\n    path: %q\n", htpasswd(t, user, password)))
}

const config = `version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: %q
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: false
http:
  addr: 127.0.0.1:0
  secret: test
%s`

// start has the program log errors alone and collect its garbage seldom: that is half of the work that
// it does for a request.
func start(t testing.TB, extra string) *Registry {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed (Debian package %s)", program, program)
	}
	r := &Registry{Dir: directory(t)}
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, r.Dir, extra), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(path, "serve", file)
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none", "GOGC=800", "PATH=" + os.Getenv("PATH")}
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait() // killed: its error says only that
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for began := time.Now(); r.Host == ""; time.Sleep(5 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("%s ended before it listened: %s", program, &log)
		default:
		}
		if r.Host, err = listening(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%s does not listen after 30 seconds", program)
		}
	}
	return r
}

// listening gives the address of this machine's loopback at which a process listens, or "" if it does not.
func listening(pid int) (host string, err error) {
	sockets, err := os.ReadFile("/proc/net/tcp") // proc(5): local address, remote, state, ..., inode in the tenth place
	if err != nil {
		return "", err
	}
	open := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(open)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil // it has ended
	}
	if err != nil {
		return "", err
	}
	for _, f := range files {
		name, _ := os.Readlink(filepath.Join(open, f.Name())) // one that is closed by now has none
		for line := range strings.Lines(string(sockets)) {
			var port uint16
			field := strings.Fields(line)
			if len(field) > 9 && field[3] == "0A" && name == "socket:["+field[9]+"]" {
				if _, err := fmt.Sscanf(field[1], "0100007F:%X", &port); err == nil {
					return fmt.Sprintf("127.0.0.1:%d", port), nil
				}
			}
		}
	}
	return "", nil
}

// directory is an empty one for a registry's content: in memory where there is plenty, because each
// file is synced, and thousands are.
func directory(t testing.TB) string {
	t.Helper()
	const shared, plenty = "/dev/shm", 8 << 30
	var fs unix.Statfs_t
	if err := unix.Statfs(shared, &fs); err != nil || int64(fs.Bavail)*int64(fs.Bsize) < plenty {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shared, "satchel-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
