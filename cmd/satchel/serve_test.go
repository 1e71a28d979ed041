package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/serve"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// serving is satchel serve while it runs.
type serving struct {
	*process
	line string // that it printed when it was ready
	at   string // HOST:PORT
	url  string
}

var servingAt = regexp.MustCompile(` at (https?)://(\S+); for example: podman pull (\S.*)\n$`)

// serve starts satchel serve and waits until it serves.
func (w *world) serve(args ...string) *serving {
	w.t.Helper()
	return w.serveBy(nil, args...)
}

// serveBy has another program start satchel serve.
func (w *world) serveBy(starter []string, args ...string) *serving {
	w.t.Helper()
	s := &serving{process: &process{w: w, cmd: w.command(slices.Concat([]string{"serve", "-i", w.key}, args)...), began: time.Now()}}
	if len(starter) > 0 {
		s.cmd.Args = slices.Concat(starter, []string{s.cmd.Path}, s.cmd.Args[1:])
		s.cmd.Path = starter[0]
	}
	s.cmd.Stderr = &s.err
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.cmd.Process.Kill() }) // it may have ended
	s.line, err = bufio.NewReader(out).ReadString('\n')
	m := servingAt.FindStringSubmatch(s.line)
	if err != nil || m == nil {
		w.t.Fatalf("it does not serve: %q, %v\n%s", s.line, err, s.wait().stderr)
	}
	s.at, s.url = m[2], m[1]+"://"+m[2]
	return s
}

// end ends it as Ctrl-C does.
func (s *serving) end() result {
	s.w.t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.w.t.Fatal(err)
	}
	return s.wait().want(exitInterrupted)
}

// TestServeClients has the clients of a site pull from a bundle: over TLS with the certificate that
// satchel makes, with a password, below a namespace.
func TestServeClients(t *testing.T) {
	c := ocitest.New(2740)
	s := newShelf(c)
	host := s.listen(t)
	w := newWorld(t)
	kinds, refs := c.Kinds(), []string{}
	for name, root := range kinds {
		s.tag("kinds/"+name+":v1", root)
		refs = append(refs, host+"/kinds/"+name+":v1")
	}
	w.images(refs...)
	w.run(w.pack()...).want(exitOK)
	before := listing(t, w.drive)
	word, certs := filepath.Join(w.dir, "word"), filepath.Join(w.dir, "certs")
	if err := errors.Join(os.WriteFile(word, []byte("s3cret-word\n"), 0o600), os.Mkdir(certs, 0o700)); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(certs, "ca.crt")
	starter, storedFiles := traced(t)
	v := w.serveBy(starter, "--listen", "127.0.0.1:0", "--namespace", "in/side", "--password-file", word, "--write-ca", ca, "--log-level", "debug", w.drive)
	at := v.at + "/in/side"
	if !strings.HasPrefix(v.line, fmt.Sprintf("serving %d images of 1 bundle at https://127.0.0.1:", len(kinds))) || !strings.Contains(v.line, "podman pull --cert-dir "+filepath.Join(w.dir, "state", "satchel", "serve")+" --creds satchel "+at+"/kinds/") {
		t.Errorf("it prints %q", v.line)
	}

	t.Run("skopeo", func(t *testing.T) {
		wants(t, "skopeo")
		for _, name := range []string{"docker", "index", "nested", "artifact", "oci-zstd"} {
			dir := filepath.Join(w.dir, "copied-"+name)
			copied := proctest.Command(t, "skopeo", "--insecure-policy", "copy", "--all", "-q", "--preserve-digests", "--src-cert-dir", certs, "--src-creds", "me:s3cret-word", "docker://"+at+"/kinds/"+name+":v1", "dir:"+dir)
			if name == "nested" || name == "artifact" { // which skopeo does not copy
				copied = proctest.Command(t, "skopeo", "inspect", "--raw", "--cert-dir", certs, "--creds", "me:s3cret-word", "docker://"+at+"/kinds/"+name+":v1")
			}
			out, err := copied.CombinedOutput()
			if dir := filepath.Join(dir, "manifest.json"); exists(dir) {
				out = readFile(t, dir)
			}
			if err != nil || digest.FromBytes(out) != kinds[name].Digest {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
		out, err := proctest.Command(t, "skopeo", "--insecure-policy", "copy", "-q", "--dest-cert-dir", certs, "--dest-creds", "me:s3cret-word", "dir:"+filepath.Join(w.dir, "copied-docker"), "docker://"+at+"/new/one:v1").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "this registry is a bundle on a drive") {
			t.Errorf("a push: %v\n%s", err, out)
		}
	})
	t.Run("podman", func(t *testing.T) {
		wants(t, "podman")
		dir, err := os.MkdirTemp("", "podman") // podman takes no runroot of more than 50 characters
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		out, err := proctest.Command(t, "podman", "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs",
			"pull", "-q", "--cert-dir", filepath.Join(w.dir, "state", "satchel", "serve"), "--creds", "me:s3cret-word", at+"/kinds/docker-list:v1").CombinedOutput()
		if err != nil {
			t.Errorf("podman pull: %v\n%s", err, out)
		}
	})
	t.Run("oras", func(t *testing.T) {
		repo, err := remote.NewRepository(at + "/kinds/artifact")
		if err != nil {
			t.Fatal(err)
		}
		repo.Client = &auth.Client{Client: trusting(t, ca), Credential: auth.StaticCredential(v.at, auth.Credential{Username: "me", Password: "s3cret-word"})}
		got, err := oras.Copy(t.Context(), repo, "v1", memory.New(), "v1", oras.DefaultCopyOptions)
		if err != nil || got.Digest != kinds["artifact"].Digest {
			t.Errorf("%s: %v", got.Digest, err)
		}
	})
	t.Run("satchel", func(t *testing.T) {
		authfile := filepath.Join(w.dir, "auth.json")
		if err := os.WriteFile(authfile, fmt.Appendf(nil, `{"auths": {%q: {"auth": "bWU6czNjcmV0LXdvcmQ="}}}`, v.at), 0o600); err != nil {
			t.Fatal(err)
		}
		to := []string{"-i", w.key, "--to", at, "--ca-file", ca, "--authfile", authfile}
		w.run(slices.Concat([]string{"unpack", "--dry-run"}, to, []string{w.drive})...).want(exitOK).says("nothing to do")
		diff := w.run(slices.Concat([]string{"diff", "-o", "json"}, to, []string{w.drive})...).want(exitOK)
		var changes struct{ Images []any }
		if err := json.Unmarshal([]byte(diff.stdout), &changes); err != nil || len(changes.Images) != 0 {
			t.Errorf("%v\n%s", err, diff.stdout)
		}
		out := filepath.Join(w.dir, "out")
		w.run(slices.Concat([]string{"render", "--output-dir", out, "--node-authfile", authfile}, to, []string{w.drive})...).want(exitOK)
		if rules, err := filepath.Glob(filepath.Join(out, "icsp-*.yaml")); err != nil || len(rules) == 0 || !strings.Contains(string(readFile(t, rules[0])), at+"/kinds/") {
			t.Errorf("no rules for it: %v", err)
		}
	})
	r := v.end().says("answered ", " sent", "debug: ", "the certificate has the SHA-256 fingerprint ")
	if strings.Contains(r.stderr, "s3cret-word") || strings.Contains(r.stderr, "cannot") {
		t.Errorf("%s", r.stderr)
	}
	if after := listing(t, w.drive); !slices.Equal(before, after) {
		t.Errorf("serving changed the drive:\n%s", strings.Join(after, "\n"))
	}
	t.Run("nothing is stored", func(t *testing.T) {
		if starter == nil {
			t.Skip("strace is not installed, or cannot follow a program here")
		}
		known := []string{filepath.Join(w.dir, "state", "satchel", "serve"), certs, "/dev/null"}
		list := storedFiles()
		if !strings.Contains(strings.Join(list, ""), known[0]+"/") {
			t.Errorf("not even its certificate was seen: %q", list)
		}
		for _, call := range list {
			if !slices.ContainsFunc(known, func(path string) bool { return strings.Contains(call, path) }) {
				t.Errorf("it writes: %s", call)
			}
		}
	})
}

// trusting is an HTTP client that trusts the certificate in a file.
func trusting(t *testing.T, ca string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(readFile(t, ca)) {
		t.Fatalf("%s has no certificate", ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// TestServeKilled: sixteen clients pull everything in bounded memory; the server is killed in the
// middle of a blob, and a client goes on by a range once it is there again.
func TestServeKilled(t *testing.T) {
	size := 40 << 20
	if os.Getenv("SATCHEL_SOAK") != "" {
		size = 2 << 30
	}
	c := ocitest.New(2741)
	s := newShelf(c)
	host := s.listen(t)
	w := newWorld(t)
	big := c.Layer(size, ocitest.LayerGzip)
	root := c.Image(false, big, c.Layer(3<<20, ocitest.LayerTar), c.Layer(1000, ocitest.LayerZstd))
	s.tag("team/app:v1", root)
	w.images(host + "/team/app:v1")
	w.run(w.pack("--segment-size", "8MiB")...).want(exitOK)
	v := w.serve("--listen", "127.0.0.1:0", "--tls=false", w.drive)
	if !strings.Contains(v.line, " at http://127.0.0.1:") || !strings.Contains(v.line, "podman pull --tls-verify=false "+v.at+"/team/app:v1") {
		t.Errorf("it prints %q", v.line)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := ocitest.Compare(t.Context(), c, root, v.url, "team/app", "v1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if peak := peakMemory(t, v); peak > 256<<20 {
		t.Errorf("it took %d MiB of memory", peak>>20)
	}

	client := transport.NewClient(transport.Config{RetryTimes: 50, RetryDelay: 100 * time.Millisecond})
	defer client.Close()
	repo, err := client.Repository(oci.Ref{Registry: v.at, Repository: "team/app", Tag: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	rc, err := oci.Verified(repo).Open(t.Context(), big, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, rc, int64(size)/2); err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if r := v.wait(); r.code != -1 {
		t.Errorf("killed: %d\n%s", r.code, r.stderr)
	}
	v = w.serve("--listen", v.at, "--tls=false", "--log-level", "debug", w.drive)
	if _, err := io.Copy(io.Discard, rc); err != nil {
		t.Errorf("after it was killed: %v", err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
	v.end().says("/team/app/blobs/"+big.Digest.String()+": 206, ", "answered ")
}

// peakMemory is the most memory that a process had.
func peakMemory(t *testing.T, v *serving) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", v.cmd.Process.Pid))
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if err != nil || m == nil {
		t.Skipf("no /proc: %v", err)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// TestServeDriveIsPulled pulls the drive while it is served, and plugs it in again: the server
// stays, and answers again.
func TestServeDriveIsPulled(t *testing.T) {
	c := ocitest.New(2742)
	s := newShelf(c)
	host := s.listen(t)
	layer := c.Layer(12<<20, ocitest.LayerGzip)
	s.tag("team/app:v1", c.Image(false, layer))
	kinds := []syscall.Errno{syscall.EIO}
	if os.Getenv("SATCHEL_SOAK") != "" {
		kinds = append(kinds, syscall.ENOTCONN)
	}
	for _, errno := range kinds {
		w := newWorld(t)
		drive := w.fuseDrive(errno)
		w.images(host + "/team/app:v1")
		w.run(w.pack("--segment-size", "2MiB", "--no-verify")...).want(exitOK)
		v := w.serve("--listen", "127.0.0.1:0", "--tls=false", w.drive)
		blob := v.url + "/v2/team/app/blobs/" + layer.Digest.String()
		drive.pullAfter(5 << 20)
		if _, body, err := fetch(t, blob); err == nil || int64(len(body)) >= layer.Size {
			t.Errorf("%v: pulled in the middle: %d bytes, %v", errno, len(body), err)
		}
		for range 3 {
			code, body, err := fetch(t, blob)
			if err != nil || code != http.StatusServiceUnavailable || !bytes.Contains(body, []byte("UNAVAILABLE")) {
				t.Errorf("%v: pulled: %d %s %v", errno, code, body, err)
			}
		}
		if code, _, err := fetch(t, v.url+"/v2/team/app/tags/list"); err != nil || code != http.StatusOK {
			t.Errorf("%v: tags: %d %v", errno, code, err)
		}
		drive.back()
		deadline := time.Now().Add(20 * time.Second)
		code, body, err := fetch(t, blob)
		for ; code != http.StatusOK && time.Now().Before(deadline); code, body, err = fetch(t, blob) {
			time.Sleep(100 * time.Millisecond)
		}
		if err != nil || digest.FromBytes(body) != layer.Digest {
			t.Errorf("%v: back: %d, %d bytes, %v", errno, code, len(body), err)
		}
		r := v.end().says("cannot be read: ", "plug the drive in and mount it in the same place", " is back")
		if n := strings.Count(r.stderr, "cannot be read: "); n > 2 {
			t.Errorf("%v: it is said %d times:\n%s", errno, n, r.stderr)
		}
	}
}

// fetch asks once; the error is one of the connection.
func fetch(t *testing.T, url string) (int, []byte, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}

// TestServePulls: an example is given of an image that can be pulled, and none where all wait for drives.
func TestServePulls(t *testing.T) {
	t.Parallel()
	waits := []serve.Waiting{{Drives: "drive 1 of 2 (X-1)", Images: []string{"a", "b"}}}
	for want, rep := range map[string]serve.Report{
		"; 2 images wait for drive 1 of 2 (X-1)":                                   {Example: oci.Ref{Registry: "127.0.0.1:5000"}, Waiting: waits},
		"; for example: podman pull --tls-verify=false 127.0.0.1:5000/team/app:v1": {Example: oci.Ref{Registry: "127.0.0.1:5000", Repository: "team/app", Tag: "v1"}},
	} {
		if got := pulls(rep, []string{"--tls-verify=false"}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestServeFlags refuses what would be served otherwise than was meant.
func TestServeFlags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	users := filepath.Join(dir, "users")
	if err := os.WriteFile(users, []byte("me:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for args, says := range map[string]string{
		"":                                      "one directory or more",
		"--tls=false --listen 0.0.0.0:0 " + dir: "other hosts would read it in clear",
		"--tls=false --listen :0 " + dir:        "other hosts would read it in clear",
		"--listen here " + dir:                  "write it as HOST:PORT",
		"--listen " + taken.Addr().String() + " " + dir:                     "address already in use",
		"--tls-cert x --listen 127.0.0.1:0 " + dir:                          "go together",
		"--tls-cert x --tls-key y --listen 127.0.0.1:0 " + dir:              "read the certificate",
		"--tls-cert x --tls-key y --write-ca z --listen 127.0.0.1:0 " + dir: "that satchel makes",
		"--tls=false --write-ca z --listen 127.0.0.1:0 " + dir:              "needs no certificate",
		"--htpasswd " + users + " --listen 127.0.0.1:0 " + dir:              "users:1: it is not USER:HASH",
		"--tls-name https://bastion --listen 127.0.0.1:0 " + dir:            "is not a host name",
		"--tls-name bastion:5000 --listen 127.0.0.1:0 " + dir:               "is not a host name",
		"--htpasswd a --password-file b " + dir:                             "two ways",
		"--namespace Up/ " + dir:                                            "is not the path",
		"--layout oc --listen 127.0.0.1:0 " + dir:                           "namespace",
		"--max-nested-paths -1 " + dir:                                      "must not be negative",
		"--tls=false --listen 127.0.0.1:0 --bundle abc " + dir + " " + dir:  "name one bundle",
		"quay.example:5000/ocp":                                             "reads a directory or drive",
	} {
		a := &app{stdout: io.Discard, stderr: io.Discard}
		root := newRoot(a)
		root.SetArgs(slices.Concat([]string{"serve", "-q"}, strings.Fields(args)))
		root.SetErr(io.Discard)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := root.ExecuteContext(ctx)
		cancel()
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), says) {
			t.Errorf("serve %s: %v, exit %d", args, err, exitCode(err))
		}
	}
}

// TestServeBegins: nothing is said of a certificate before there is something to serve, and a
// directory for state that cannot be used is said with the ways around it.
func TestServeBegins(t *testing.T) {
	const vector = "../../testdata/vectors/e944b6d/x25519/"
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		state, bundle string
		code          int
		hint          string
	}{
		{dir, dir, exitDrive, ""},
		{filepath.Join(file, "state"), vector + "bundle", exitDrive, "--tls-cert FILE --tls-key FILE"},
	} {
		t.Setenv("XDG_STATE_HOME", tc.state)
		var stderr bytes.Buffer
		root := newRoot(&app{stdout: io.Discard, stderr: &stderr})
		root.SetArgs([]string{"serve", "-i", vector + "key.txt", "--listen", "127.0.0.1:0", tc.bundle})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := root.ExecuteContext(ctx)
		cancel()
		if err == nil || exitCode(err) != tc.code || strings.Contains(stderr.String(), "certificate") || !strings.Contains(strings.Join(hints(err), "\n"), tc.hint) {
			t.Errorf("%v, exit %d, hints %q\n%s", err, exitCode(err), hints(err), stderr.String())
		}
	}
}

// TestServeGivenCertificate serves with a certificate of the site's authority, over HTTP/1 also for clients that would speak HTTP/2, and
// ends when it is told to.
func TestServeGivenCertificate(t *testing.T) {
	t.Parallel()
	authority := registrytest.NewAuthority(t)
	cert, key := authority.Issue(t, "127.0.0.1", time.Now().Add(time.Hour))
	const vector = "../../testdata/vectors/e944b6d/x25519/"
	r, stdout := io.Pipe()
	var stderr bytes.Buffer
	a := &app{stdout: stdout, stderr: &stderr}
	root := newRoot(a)
	root.SetArgs([]string{"serve", "-i", vector + "key.txt", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, vector + "bundle", vector + "bundle"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- root.ExecuteContext(ctx)
		_ = stdout.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	m := servingAt.FindStringSubmatch(line)
	if err != nil || m == nil || !strings.Contains(line, " of 1 bundle at ") {
		t.Fatalf("%q %v %v", line, err, <-ended)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Get("https://" + m[2] + "/v2/_catalog")
	if err != nil || answer.StatusCode != http.StatusOK || answer.ProtoMajor != 1 {
		t.Fatalf("%v %v", answer, err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	transport.CloseIdleConnections()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || !onlyCancelled(err) {
		t.Errorf("%v", err)
	}
	if !strings.Contains(stderr.String(), "answered 1 request, ") {
		t.Errorf("%s", stderr.String())
	}
}

// TestServeGivenName: with a certificate of the site the example names what that is for, and it is
// said which name clients will refuse.
func TestServeGivenName(t *testing.T) {
	t.Parallel()
	file, key := registrytest.NewAuthority(t).Issue(t, "bastion.example", time.Now().Add(time.Hour))
	cert, err := tls.LoadX509KeyPair(file, key)
	if err != nil {
		t.Fatal(err)
	}
	as := identity{cert: &cert}
	if readable("::1") != "localhost" || readable("10.1.1.1") != "10.1.1.1" {
		t.Error("the example names what podman does not read")
	}
	if name := (serveOptions{}).called(as.cert); name != "bastion.example" {
		t.Errorf("it is called %s", name)
	}
	for host, warned := range map[string]bool{"127.0.0.1": true, "bastion.example": false} {
		var stderr bytes.Buffer
		a := &app{stderr: &stderr}
		serveOptions{listen: host + ":5000", tlsCert: file}.warnGiven(a, cert.Leaf)
		if got := strings.Contains(stderr.String(), "is not for "+host); got != warned || slices.Contains(as.trusting(host, nil), "--tls-verify=false") != warned {
			t.Errorf("%s: %q, %q", host, stderr.String(), as.trusting(host, nil))
		}
	}
}
