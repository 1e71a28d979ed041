package octest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// address is the environment variable by which oc finds the cluster.
const address = "SATCHEL_OCTEST"

// Main makes the program oc where it was started as that; TestMain calls it first.
func Main() {
	url := os.Getenv(address)
	if url == "" || filepath.Base(os.Args[0]) != "oc" {
		return
	}
	os.Exit(client(url))
}

func client(url string) int {
	in := call{Args: os.Args[1:]}
	var err error
	if in.Dir, err = os.Getwd(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, a := range in.Args {
		if a == "-" {
			piped, err := io.ReadAll(os.Stdin)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			in.Stdin = string(piped)
		}
	}
	body, err := json.Marshal(in)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	res, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer res.Body.Close()
	var out answer
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprint(os.Stdout, out.Out)
	fmt.Fprint(os.Stderr, out.Err)
	return out.Code
}

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
	bin, url := c.oc(t), c.serve(t)
	for _, b := range Blocks(page) {
		cmd := exec.Command("bash", "-c", b.Commands)
		cmd.Dir = dir
		dirs := append([]string{bin}, path...)
		cmd.Env = append(os.Environ(), "PATH="+strings.Join(dirs, ":")+":"+os.Getenv("PATH"), address+"="+url)
		out, err := cmd.CombinedOutput()
		b.Output, b.Err = string(out), err
		done = append(done, b)
	}
	return done
}

// oc is a directory with the program oc, and with programs for loops that wait: nothing takes time
// here, so one turn is enough.
func (c *Cluster) oc(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, filepath.Join(dir, "oc"))
	}
	for name, script := range map[string]string{"sleep": "#!/bin/sh\n", "seq": "#!/bin/sh\necho 1\n"} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// serve answers oc on the loopback interface until the test ends.
func (c *Cluster) serve(t testing.TB) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in call
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := json.NewEncoder(w).Encode(c.run(in)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
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
