package registrytest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
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
  level: info
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

func start(t testing.TB, extra string) *Registry {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed (Debian package %s)", program, program)
	}
	r := &Registry{Dir: t.TempDir()}
	file := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, r.Dir, extra), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "serve", file)
	cmd.Env = []string{"OTEL_TRACES_EXPORTER=none", "PATH=" + os.Getenv("PATH")}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	hosts, drained := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(drained)
		watch(log, hosts)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-drained
		cmd.Wait() // killed: its error says only that
	})
	select {
	case host, ok := <-hosts:
		if !ok {
			t.Fatalf("%s ended before it listened", program)
		}
		r.Host = host
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not listen after 30 seconds", program)
	}
	return r
}

// watch sends the address that the registry logs, then reads its log to the end.
func watch(log io.Reader, hosts chan<- string) {
	defer close(hosts)
	listening := regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)
	lines := bufio.NewScanner(log)
	for found := false; lines.Scan(); {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil && !found {
			found = true
			hosts <- m[1]
		}
	}
	io.Copy(io.Discard, log) // a line too long for the scanner
}
