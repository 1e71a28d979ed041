package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/crypto/bcrypt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestPasswords: without the right one nothing is given, not even whether something is there.
func TestPasswords(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2730)
	dir := h.pack("drive", []oci.Image{image(h.Image(false, h.Layer(2000, ocitest.LayerGzip)), "team/app", "v1")})
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := func(text string) string {
		t.Helper()
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	users, err := ReadHtpasswd(file("# users\n\nme:" + string(hash) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	word, err := ReadPassword(file("s3cret\r\nnot this\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*Passwords{"htpasswd": users, "password": word} {
		if p.pause < 500*time.Millisecond {
			t.Errorf("%s: a wrong password costs %s", name, p.pause)
		}
		p.pause = 10 * time.Millisecond
		o := h.options()
		o.Passwords = p
		s := h.served(o, h.reader(dir))
		ask := func(path, user, password string) got {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if user != "" {
				r.SetBasicAuth(user, password)
			}
			answer, err := s.server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			return got{answer, body, err}
		}
		for _, path := range []string{"/v2/", "/v2/team/app/manifests/v1", "/v2/no/such/manifests/v1", "/v2/_catalog", "/"} {
			for _, user := range []string{"", "me", "you"} {
				g := ask(path, user, "wrong")
				if g.StatusCode != 401 || codeOf(g) != codeUnauthorized || !strings.HasPrefix(g.Header.Get("Www-Authenticate"), "Basic realm=") {
					t.Errorf("%s: %s by %q: %d %s", name, path, user, g.StatusCode, g.body)
				}
			}
		}
		for range 3 {
			if g := ask("/v2/team/app/manifests/v1", "me", "s3cret"); g.StatusCode != 200 {
				t.Errorf("%s: %d %s", name, g.StatusCode, g.body)
			}
		}
		if g := ask("/v2/", "you", "s3cret"); (g.StatusCode == 200) != (name == "password") {
			t.Errorf("%s: another user: %d", name, g.StatusCode)
		}
	}
	for text, want := range map[string]string{
		"":   "has no user",
		"me": ":1: it is not USER:HASH",
		"a:" + string(hash) + "\nme:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=": ":2: it is not USER:HASH",
		"me:$apr1$x$y":     "htpasswd -B",
		":" + string(hash): ":1:",
	} {
		if _, err := ReadHtpasswd(file(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ReadPassword(file("\nx")); err == nil {
		t.Error("an empty password is taken")
	}
	if _, err := ReadPassword(filepath.Join(h.dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// wordFile has a password.
func wordFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "word")
	if err := os.WriteFile(file, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestGuessing: a client guesses once in a pause, many clients a few times, whoever stops waiting;
// the right password is not held up by it. When the run ends nobody waits.
func TestGuessing(t *testing.T) {
	t.Parallel()
	file := wordFile(t)
	for name, tt := range map[string]struct {
		clients int
		pauses  time.Duration
	}{"one client": {1, mostTries}, "many clients": {200, 200 / pauses}} {
		synctest.Test(t, func(t *testing.T) {
			p, err := ReadPassword(file)
			if err != nil {
				t.Fatal(err)
			}
			began, ended := time.Now(), make(chan struct{})
			var wg sync.WaitGroup
			for i := range max(mostTries, tt.clients) {
				wg.Go(func() {
					if p.judge(t.Context(), ended, fmt.Sprint("client", i%tt.clients), "me", fmt.Sprint("guess", i)) != wrong {
						t.Errorf("%s: a guess is right", name)
					}
				})
			}
			synctest.Wait()
			if p.judge(t.Context(), ended, "client0", "me", "s3cret") != right || time.Since(began) > 0 {
				t.Errorf("%s: the right one is held up for %s", name, time.Since(began))
			}
			wg.Wait()
			if took := time.Since(began); took != tt.pauses*p.pause {
				t.Errorf("%s: it took %s", name, took)
			}
			close(ended)
			if is := p.judge(t.Context(), ended, "client0", "me", "guess"); is == right || time.Since(began) != tt.pauses*p.pause || len(p.clients) > 0 {
				t.Errorf("%s: at the end: %d, %v", name, is, p.clients)
			}
		})
	}
}

// TestManyGuesses: of one client only a few passwords are tried at a time, and further ones are
// answered at once, with what is not known at the end of a run; requests with the same one wait
// for one answer.
func TestManyGuesses(t *testing.T) {
	t.Parallel()
	file := wordFile(t)
	synctest.Test(t, func(t *testing.T) {
		p, err := ReadPassword(file)
		if err != nil {
			t.Fatal(err)
		}
		g := &Registry{Options: Options{Passwords: p}, ended: make(chan struct{})}
		ask := func(client, password string) int {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/", nil)
			r.RemoteAddr = client + ":1234"
			r.SetBasicAuth("me", password)
			w := httptest.NewRecorder()
			if g.admit(newAnswer(w), r) {
				return http.StatusOK
			}
			return w.Code
		}
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 3 * mostTries {
			wg.Go(func() {
				if code := ask("10.0.0.1", fmt.Sprint("guess", i%mostTries)); code != http.StatusUnauthorized {
					t.Errorf("guess %d: %d", i, code)
				}
			})
		}
		synctest.Wait()
		if code := ask("10.0.0.1", "one more"); code != http.StatusTooManyRequests || time.Since(began) > 0 {
			t.Errorf("one more: %d after %s", code, time.Since(began))
		}
		wg.Wait()
		if took := time.Since(began); took != mostTries*p.pause {
			t.Errorf("it took %s", took)
		}
		close(g.ended)
		for password, code := range map[string]int{"s3cret": http.StatusOK, "guess": http.StatusServiceUnavailable} {
			if got := ask("10.0.0.1", password); got != code {
				t.Errorf("%s at the end: %d", password, got)
			}
		}
	})
}

// TestFirstLogin: many requests with a right password that is new are one comparison, of one
// client and of many.
func TestFirstLogin(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte("s3cret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte("me:"+string(hash)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, clients := range []int{1, 50} {
		synctest.Test(t, func(t *testing.T) {
			p, err := ReadHtpasswd(file)
			if err != nil {
				t.Fatal(err)
			}
			all, compare, compared := make(chan struct{}), p.compare, atomic.Int64{}
			p.compare = func(hash, password []byte) error {
				compared.Add(1)
				<-all
				return compare(hash, password)
			}
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					if is := p.judge(t.Context(), nil, fmt.Sprint("client", i%clients), "me", "s3cret"); is != right {
						t.Errorf("request %d: %d", i, is)
					}
				})
			}
			synctest.Wait()
			close(all)
			wg.Wait()
			if n := compared.Load(); n != 1 {
				t.Errorf("%d clients: %d comparisons", clients, n)
			}
		})
	}
}

// TestOwnCertificate: it stays the same from run to run until it must not, then clients are told.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	dir, now := filepath.Join(t.TempDir(), "state"), time.Now()
	own := func(at time.Time, names ...string) *Own {
		t.Helper()
		c, err := OwnCertificate(dir, Names{Needed: names, Also: []string{"127.0.0.1", "localhost"}}, at)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(c.PEM) || strings.Contains(string(c.PEM), "PRIVATE") {
			t.Fatalf("not a certificate alone: %s", c.PEM)
		}
		for _, n := range names {
			if _, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: n, Roots: pool, CurrentTime: at.Add(-time.Hour)}); err != nil {
				t.Errorf("for %s: %v", n, err)
			}
		}
		if c.Leaf.IsCA {
			t.Error("it can sign for others")
		}
		return c
	}
	first := own(now, "localhost", "127.0.0.1")
	if again := own(now.Add(300*24*time.Hour), "127.0.0.1"); again.Why != "" || Fingerprint(again.Certificate) != Fingerprint(first.Certificate) || first.Why == "" {
		t.Errorf("another one: %q", again.Why)
	}
	if info, err := os.Stat(filepath.Join(dir, ownFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	for range 2 { // it is put there again
		kept := own(now, "localhost")
		if body, err := os.ReadFile(filepath.Join(kept.CADir, "ca.crt")); err != nil || kept.CADir != dir || string(body) != string(first.PEM) {
			t.Errorf("for clients: %s, %v", body, err)
		}
		if err := os.Remove(filepath.Join(dir, "ca.crt")); err != nil {
			t.Fatal(err)
		}
	}
	moved, err := OwnCertificate(dir, Names{Needed: []string{"localhost"}, Also: []string{"10.9.9.9", "::1", "127.0.0.1"}}, now)
	if err != nil || moved.Why != "" || strings.Join(moved.Lacks, " ") != "10.9.9.9 ::1" {
		t.Errorf("with another address: %q, %q, %v", moved.Why, moved.Lacks, err)
	}
	more := own(now, "10.1.2.3", "bastion.example")
	if !more.Old || first.Old || !strings.Contains(more.Why, "10.1.2.3, bastion.example") || more.Leaf.VerifyHostname("localhost") != nil {
		t.Errorf("%q", more.Why)
	}
	if late := own(now.Add(340*24*time.Hour), "localhost"); !strings.Contains(late.Why, "valid until") || late.Leaf.VerifyHostname("bastion.example") != nil {
		t.Errorf("%q", late.Why)
	}
	if err := os.WriteFile(filepath.Join(dir, ownFile), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if own(now, "localhost").Why == "" {
		t.Error("a torn file is no new certificate")
	}
	if c, err := OwnCertificate("", Names{Needed: []string{"::1"}}, now); err != nil || c.Leaf.VerifyHostname("::1") != nil {
		t.Errorf("without a directory: %v", err)
	}
}

// TestNames: an address that has gone is not in the next certificate, but what clients were told to
// use is; and nobody hears of an address on which nothing listens.
func TestNames(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, names := range []Names{
		{Needed: []string{"bastion.example", "10.1.2.3"}, Also: []string{"10.9.9.9"}, Later: []string{"10.7.7.7"}},
		{Needed: []string{"other.example"}, Also: []string{"10.8.8.8"}},
		{Needed: []string{"10.6.6.6"}},
	} {
		own, err := OwnCertificate(dir, names, time.Now())
		want := []string{"bastion.example 10.1.2.3 10.7.7.7 10.9.9.9", "bastion.example other.example 10.1.2.3 10.8.8.8", "bastion.example other.example 10.1.2.3 10.6.6.6"}[i]
		if err != nil || strings.Join(own.Names, " ") != want {
			t.Errorf("it is for %q and not for %q: %v", own.Names, want, err)
		}
	}
	all, own := NamesFor("0.0.0.0", nil), NamesFor("127.0.0.1", nil)
	if strings.Join(own.Also, " ") != "localhost 127.0.0.1 ::1" || len(own.Later) == 0 || len(all.Later) > 0 {
		t.Errorf("%q; everywhere: %q", own, all)
	}
	for _, n := range own.Later {
		if !slices.Contains(all.Also, n) {
			t.Errorf("%s is not a name where it listens everywhere", n)
		}
	}
	if kept, err := OwnCertificate(dir, Names{Needed: []string{"10.6.6.6"}, Later: []string{"10.5.5.5"}}, time.Now()); err != nil || kept.Why != "" || len(kept.Lacks) > 0 {
		t.Errorf("%q, %v", kept.Lacks, err)
	}
}

// TestMuchIsWrong: of much damage a part is said, and that there is more.
func TestMuchIsWrong(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2733)
	o := newOpened(h.reader(h.pack("drive", []oci.Image{image(h.Image(false), "team/app", "v1")})), h.options().To)
	defer o.close()
	for i := range 3 * mostTold {
		o.damaged(fmt.Errorf("fault %d", i), "")
		o.damaged(fmt.Errorf("fault %d", i), "")
	}
	if text := h.log.String(); strings.Count(text, "level=WARN msg=\"fault") != mostTold || !strings.Contains(text, fmt.Sprintf("level=DEBUG msg=\"fault %d;", 3*mostTold-1)) || strings.Count(text, "more is wrong with bundle") != 1 {
		t.Errorf("%s", text)
	}
}

// TestWriteCA: it replaces its own certificates, and no other file.
func TestWriteCA(t *testing.T) {
	t.Parallel()
	var own []string
	for range 2 {
		c, err := OwnCertificate("", Names{Needed: []string{"localhost"}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		own = append(own, string(c.PEM))
	}
	other := httptest.NewTLSServer(nil)
	defer other.Close()
	site := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificate().Raw}))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("key")}))
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := WriteCA(file, []byte(own[0])); err != nil {
		t.Error(err)
	}
	for old, replaced := range map[string]bool{
		own[0]: true, own[1] + "\n": true, "": true,
		"a letter": false, site: false, own[0] + site: false, own[0] + own[0]: false, own[0] + key: false, key + own[0]: false, "# ours\n" + own[0]: false, own[0] + "a letter": false,
	} {
		if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		err := WriteCA(file, []byte(own[0]))
		body, rerr := os.ReadFile(file)
		if rerr != nil || (err == nil) != replaced || (string(body) == own[0]) != (replaced || old == own[0]) {
			t.Errorf("%v; it was\n%s\nand is\n%s", err, old, body)
		}
	}
	if err := WriteCA(filepath.Dir(file), []byte(own[0])); err == nil {
		t.Error("it replaces a directory")
	}
	none := filepath.Join(filepath.Dir(file), "none", "q.crt")
	if err := WriteCA(none, []byte(own[0])); err == nil || !strings.Contains(err.Error(), none+": no such file") {
		t.Errorf("no directory: %v", err)
	}
}

// TestRun: it serves TLS until the context ends; answers under way come to their end, and then
// nothing is open.
func TestRun(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2731)
	layer := h.Layer(24<<20, ocitest.LayerTar)
	dir := h.pack("drive", []oci.Image{image(h.Image(false, layer), "team/app", "v1")})
	for name, cut := range map[string]bool{"to its end": false, "cut off": true} {
		g, err := Open(t.Context(), []*bundle.Reader{h.reader(dir)}, h.options())
		if err != nil {
			t.Fatal(err)
		}
		g.grace = map[bool]time.Duration{false: time.Minute, true: 200 * time.Millisecond}[cut]
		own, err := OwnCertificate("", Names{Needed: []string{"127.0.0.1"}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Run(ctx, l, &own.Certificate) }()
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(own.PEM)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: cut}
		answer, err := (&http.Client{Transport: transport}).Get("https://" + l.Addr().String() + "/v2/team/app/blobs/" + layer.Digest.String())
		if err != nil {
			t.Fatal(err)
		}
		if answer.ProtoMajor != 1 {
			t.Errorf("it speaks %s", answer.Proto)
		}
		part := make([]byte, 1<<20)
		if _, err := io.ReadFull(answer.Body, part); err != nil {
			t.Fatal(err)
		}
		cancel()
		if cut {
			eventually(t, "it has ended", func() bool { return len(ended) == 1 })
		} else {
			eventually(t, "it takes no more", func() bool { _, err := net.Dial("tcp", l.Addr().String()); return err != nil })
		}
		rest, err := io.ReadAll(answer.Body)
		whole := digest.FromBytes(append(part, rest...)) == layer.Digest
		if whole == cut || (err == nil) == cut {
			t.Errorf("%s: %d bytes more, %v", name, len(rest), err)
		}
		_ = answer.Body.Close()
		transport.CloseIdleConnections()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := g.shelf[0].use(t.Context(), false); err == nil {
			t.Errorf("%s: the bundle is open", name)
		}
	}
	if text := h.log.String(); strings.Count(text, "answered 1 request, ") != 2 || strings.Count(text, "some answers were cut off") != 1 {
		t.Errorf("%s", text)
	}
}

// TestBodies: a body that does not come holds no connection; one that comes cuts neither the
// download nor the next request on its connection.
func TestBodies(t *testing.T) {
	t.Parallel()
	h := newHost(t, 2732)
	layer := h.Layer(12<<20, ocitest.LayerTar)
	s := h.serve(h.pack("drive", []oci.Image{image(h.Image(false, layer), "team/app", "v1")}))
	s.body = 300 * time.Millisecond
	path := "/v2/team/app/blobs/" + layer.Digest.String()
	dial := func(request string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			_, err = io.WriteString(conn, request)
		}
		if err == nil {
			err = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		}
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for _, head := range []string{"GET /v2/", "PUT /v2/team/app/manifests/v1"} {
		for _, length := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
			conn := dial(head + " HTTP/1.1\r\nHost: x\r\n" + length + "\r\n\r\n")
			if _, err := io.ReadAll(conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s with %s: %v", head, length, err)
			}
		}
	}
	request := "GET " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
	conn := dial(request)
	for range 2 {
		time.Sleep(2 * s.body) // the client takes nothing meanwhile
		_, body := head(t, conn)
		sum := digest.SHA256.Digester()
		if n, err := io.CopyN(sum.Hash(), body, layer.Size); err != nil || sum.Digest() != layer.Digest {
			t.Errorf("%d bytes came: %v", n, err)
		}
		time.Sleep(2 * s.body)
		if _, err := io.WriteString(conn, request); err != nil {
			t.Error(err)
		}
	}
}
