package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// serveCommand makes the bench binary the servers' process.
const serveCommand = "serve"

// addresses is what the servers' process says about itself, host:port each.
type addresses struct{ Source, Mirror string }

// serve runs source and mirror, prints their addresses as one line of JSON, and
// ends when stdin does, so never outlives the process that started it.
func serve(ctx context.Context, o options, stdin io.Reader, stdout io.Writer) error {
	s, err := makeSet(ctx, o)
	if err != nil {
		return err
	}
	var at addresses
	for _, one := range []struct {
		addr    *string
		handler http.Handler
	}{{&at.Source, newSource(s)}, {&at.Mirror, newMirror()}} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*one.addr = listener.Addr().String()
		server := &http.Server{Handler: one.handler, ReadHeaderTimeout: time.Minute}
		defer server.Close()
		go func() { _ = server.Serve(listener) }() // ends with Close
	}
	if err := json.NewEncoder(stdout).Encode(at); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// servers is the servers' process, seen from the one that started it.
type servers struct {
	addresses
	cmd   *exec.Cmd
	stdin io.Closer
}

// startServers starts the process. The addresses are known after wait.
func startServers(ctx context.Context, args []string) (s *servers, wait func() error, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{serveCommand}, args...)...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start the registries: %w", err)
	}
	s = &servers{cmd: cmd, stdin: stdin}
	return s, func() error {
		if err := json.NewDecoder(stdout).Decode(&s.addresses); err != nil {
			return fmt.Errorf("wait for the registries: %w", err)
		}
		return nil
	}, nil
}

func (s *servers) close() error { return errors.Join(s.stdin.Close(), s.cmd.Wait()) }

// taken is the number of upload bytes that the mirror has had.
func (s *servers) taken(ctx context.Context) (n int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Mirror+statsPath, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fscan(resp.Body, &n)
	return n, errors.Join(err, resp.Body.Close())
}
