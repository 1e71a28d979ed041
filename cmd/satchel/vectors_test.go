package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestVectorPaths runs every command that reads a bundle over the bundles with one fault
// each: it exits as vector.txt says, and an image that is not whole never gets a tag.
func TestVectorPaths(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/vectors/*/*/vector.txt")
	if err != nil {
		t.Fatal(err)
	}
	w, mirror, signer := newWorld(t), registrytest.Start(t), keystest.SSHKey(t, "ed25519", "")
	ran := 0
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(body), "\n\n")
		if _, exits, ok := strings.Cut(head, "\nexits:"); ok {
			exits, _, _ = strings.Cut(exits, "\n")
			w.vectorPaths(filepath.Dir(file), mirror.Host, signer, strings.Fields(exits))
			ran++
		}
	}
	if ran < 30 {
		t.Errorf("only %d vectors say how commands exit", ran)
	}
}

// vectorPaths runs the commands over a copy of one bundle; those that exits does not name succeed.
func (w *world) vectorPaths(vector, mirror, signer string, exits []string) {
	w.t.Helper()
	want := map[string]int{}
	for _, exit := range exits {
		name, code, _ := strings.Cut(exit, "=")
		n, err := strconv.Atoi(code)
		if err != nil {
			w.t.Fatalf("%s: %q", vector, exit)
		}
		want[name] = n
	}
	name := filepath.Base(vector)
	key := []string{"--allow-unencrypted"}
	if _, err := os.Stat(filepath.Join(vector, "key.txt")); err == nil {
		file, err := filepath.Abs(filepath.Join(vector, "key.txt"))
		if err != nil {
			w.t.Fatal(err)
		}
		key = []string{"-i", file}
	}
	to := append([]string{"--to", mirror + "/" + name, "--tls-verify=false"}, key...)
	for i, command := range [][]string{
		{"verify"}, {"list"}, append([]string{"inspect"}, key...),
		append([]string{"unpack", "--output-dir", filepath.Join(w.dir, name, "out")}, to...),
		append([]string{"render", "--output-dir", filepath.Join(w.dir, name, "rendered")}, to...),
		{"copy"}, {"repair", "--yes"}, append([]string{"rekey", "-r", w.recipient}, key...),
		{"sign", "--sign-key", signer}, append([]string{"serve", "--listen", "127.0.0.1:0"}, key...), append([]string{"diff"}, key...), {"parity", "--parity", "1/2"},
	} {
		if command[0] == "serve" && want["serve"] == 0 {
			continue // it would serve
		}
		if command[0] == "serve" && want["inspect"] == 0 {
			w.t.Fatalf("%s: serve would not end", name)
		}
		dir := filepath.Join(w.dir, name, strconv.Itoa(i))
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(vector, "bundle"))); err != nil {
			w.t.Fatal(err)
		}
		args := append(command, dir)
		switch command[0] {
		case "copy":
			args = append(args, filepath.Join(w.dir, name, "copied"))
		case "diff":
			args = append(args, dir)
		}
		if got := w.run(args...); got.code != want[command[0]] {
			w.t.Errorf("%s: satchel %s exits with %d, want %d:\n%s", name, command[0], got.code, want[command[0]], got.stderr)
		}
	}
	if want["unpack"] == exitOK {
		return
	}
	for _, repo := range []string{"app", "tools", "late"} {
		resp, err := http.Get(fmt.Sprintf("http://%s/v2/%s/vectors/%s/tags/list", mirror, name, repo))
		if err != nil {
			w.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode == http.StatusOK && !bytes.Contains(body, []byte(`"tags":null`)) {
			w.t.Errorf("%s: %s has tags: %s, %v", name, repo, body, err)
		}
	}
}
