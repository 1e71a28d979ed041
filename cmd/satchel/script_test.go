package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// scripts is what all scripts share. A script has in its environment:
//
//	REG      a registry (plain HTTP) with app/one:v1, app/two:v2, deep/one-two:v1,
//	         deep/one/two:v1, and odd things below odd/
//	OTHER    another registry, with another app/one:v1
//	CLOSED   a registry that wants the user "me" with the password "s3cret-word"
//	DEAD     a port where nothing listens
//	MIRROR   an empty registry
//	R, R2, PQ  recipients; their keys are in one.key, two.key and pq.key
//	SECRET   the secret key in one.key
//	DIGEST1  the digest of app/one:v1; LAYER1 that of its large layer
//
// and set.yaml, which names app/one:v1 and app/two:v2 of REG.
type scripts struct {
	content *ocitest.Content
	tags    map[string]oci.Descriptor
	other   *ocitest.Content
	one     oci.Descriptor // of other
	layer   oci.Descriptor
	keys    map[string]string // file: body
	env     []string
}

type shelfKey struct{}

// gatedShelf is a registry that can be set to refuse blobs after some bytes.
type gatedShelf struct {
	*shelf
	left atomic.Int64 // bytes of blobs it still gives
}

func (g *gatedShelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
		if g.left.Load() <= 0 {
			http.Error(w, "gone for now", http.StatusNotFound)
			return
		}
		w = &gatedWriter{w, g}
	}
	g.shelf.ServeHTTP(w, r)
}

type gatedWriter struct {
	http.ResponseWriter
	g *gatedShelf
}

func (w *gatedWriter) Write(p []byte) (int, error) {
	if w.g.left.Add(-int64(len(p))) <= 0 {
		return 0, errors.New("no more bytes")
	}
	return w.ResponseWriter.Write(p)
}

func TestScripts(t *testing.T) {
	s := newScripts(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               s.setup,
		RequireExplicitExec: true,
		ContinueOnError:     true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  s.exits,
			"subst":  subst,
			"damage": damage,
			"refuse": refuse,
			"same":   same,
			"mode":   mode,
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

func newScripts(t *testing.T) *scripts {
	c := ocitest.New(71)
	s := &scripts{content: c, other: ocitest.New(72), tags: map[string]oci.Descriptor{}, keys: map[string]string{}}
	s.layer = c.Layer(9<<20, ocitest.LayerGzip)
	shared := c.Layer(100<<10, ocitest.LayerGzip)
	s.tags["app/one:v1"] = c.Image(false, s.layer, shared)
	s.tags["app/two:v2"] = c.Image(true, shared, c.Layer(50<<10, ocitest.LayerGzip))
	s.tags["deep/one-two:v1"] = s.tags["app/one:v1"]
	s.tags["deep/one/two:v1"] = s.tags["app/two:v2"]
	s.addOdd(c)
	s.one = s.other.Image(false, s.other.Layer(10<<10, ocitest.LayerGzip))
	w := newWorld(t)
	for name, args := range map[string][]string{"one": nil, "two": nil, "pq": {"--post-quantum"}} {
		file := filepath.Join(w.dir, name+".key")
		recipient := strings.TrimSpace(w.run(append([]string{"keygen", "--file", file}, args...)...).want(exitOK).stdout)
		s.keys[name+".key"] = string(readFile(t, file))
		s.env = append(s.env, map[string]string{"one": "R", "two": "R2", "pq": "PQ"}[name]+"="+recipient)
		if name == "one" {
			s.env = append(s.env, "SECRET="+secretOf(t, file))
		}
	}
	s.env = append(s.env, "DIGEST1="+s.tags["app/one:v1"].Digest.String(), "LAYER1="+s.layer.Digest.String())
	return s
}

// addOdd adds what is refused by name.
func (s *scripts) addOdd(c *ocitest.Content) {
	s.tags["odd/schema1:v1"] = c.Blob([]byte(`{"schemaVersion":1,"name":"odd/schema1","tag":"v1"}`), "application/vnd.docker.distribution.manifest.v1+prettyjws")
	var m map[string]any
	one := s.tags["app/one:v1"]
	body, err := c.Reader(one.Digest)
	if err == nil {
		err = json.NewDecoder(body).Decode(&m)
	}
	if err != nil {
		panic(err) // made by ocitest
	}
	add := func(tag string) {
		b, err := json.Marshal(m)
		if err != nil {
			panic(err) // was read from JSON
		}
		s.tags[tag] = c.Blob(b, oci.MediaTypeManifest)
	}
	m["annotations"] = map[string]string{"padding": strings.Repeat("x", 4<<20)}
	add("odd/big:v1")
	delete(m, "annotations")
	m["layers"] = []any{map[string]any{"mediaType": ocitest.LayerGzip, "size": 3, "digest": "sha512:" + strings.Repeat("ab", 64)}}
	add("odd/sha512:v1")
	m["layers"] = []any{map[string]any{"mediaType": ocitest.LayerGzip, "size": 3, "digest": oci.Digest([]byte("nowhere"))}}
	add("odd/hollow:v1")
}

func (s *scripts) setup(env *testscript.Env) error {
	g := &gatedShelf{shelf: newShelf(s.content)}
	g.left.Store(1 << 40)
	g.tags = s.tags
	other := newShelf(s.other)
	other.tags["app/one:v1"] = s.one
	closed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "s3cret-word" {
			w.Header().Set("WWW-Authenticate", `Basic realm="closed"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}`, http.StatusUnauthorized)
			return
		}
		g.ServeHTTP(w, r)
	})
	vars := map[string]http.Handler{"REG": g, "OTHER": other, "CLOSED": closed}
	for name, h := range vars {
		srv := httptest.NewServer(h)
		env.Defer(func() {
			srv.CloseClientConnections()
			srv.Close()
		})
		env.Setenv(name, strings.TrimPrefix(srv.URL, "http://"))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("DEAD", l.Addr().String())
	env.Setenv("MIRROR", newMirror(env.T().(testing.TB)))
	env.Vars = append(env.Vars, s.env...)
	for _, v := range []string{"HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		dir := filepath.Join(env.WorkDir, ".user", strings.ToLower(v))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		env.Setenv(v, dir)
	}
	for name, body := range s.keys {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(body), 0o600); err != nil {
			return err
		}
	}
	env.Values[shelfKey{}] = g
	set := fmt.Sprintf("kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  additionalImages:\n  - name: %[1]s/app/one:v1\n  - name: %[1]s/app/two:v2\n", env.Getenv("REG"))
	return errors.Join(l.Close(), os.WriteFile(filepath.Join(env.WorkDir, "set.yaml"), []byte(set), 0o600))
}

// exits CODE COMMAND ... runs a command, wants its exit code, and holds what it
// prints against the form of errors.
func (s *scripts) exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits CODE COMMAND ...")
	}
	r := result{args: args[1:]}
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	r.stdout, r.stderr = ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if _, err := fmt.Fprint(ts.Stdout(), r.stdout); err != nil {
		ts.Fatalf("%v", err)
	}
	if _, err := fmt.Fprint(ts.Stderr(), r.stderr); err != nil {
		ts.Fatalf("%v", err)
	}
	if r.code != want {
		ts.Fatalf("exit %d, want %d", r.code, want)
	}
	if err := checkForm(r); err != nil {
		ts.Fatalf("%v", err)
	}
	for name, body := range s.keys {
		i := strings.Index(body, "AGE-SECRET-KEY-")
		if strings.Contains(r.stdout+r.stderr, strings.TrimSpace(body[i:])) {
			ts.Fatalf("the secret key of %s is printed", name)
		}
	}
	if strings.Contains(r.stdout+r.stderr, "s3cret-word") {
		ts.Fatalf("the registry's password is printed")
	}
}

// subst FILE ... puts variables of the environment into files.
func subst(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		body := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(body), 0o600))
	}
}

// damage HOW FILE: flip (a bit in the middle), cut (one byte less), grow (one
// byte more).
func damage(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[1])
	body, err := os.ReadFile(name)
	ts.Check(err)
	switch args[0] {
	case "flip":
		body[len(body)/2] ^= 1
	case "cut":
		body = body[:len(body)-1]
	case "grow":
		body = append(body, 0)
	default:
		ts.Fatalf("damage %q is unknown", args[0])
	}
	ts.Check(os.WriteFile(name, body, 0o644))
}

// refuse N has the registry refuse blobs after N more bytes of them.
func refuse(ts *testscript.TestScript, neg bool, args []string) {
	g := ts.Value(shelfKey{}).(*gatedShelf)
	n := int64(1 << 40)
	if !neg {
		var err error
		n, err = strconv.ParseInt(args[0], 10, 64)
		ts.Check(err)
	}
	g.left.Store(n)
}

// same FILE FILE wants equal bytes, ! same others.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if (ts.ReadFile(args[0]) == ts.ReadFile(args[1])) == neg {
		ts.Fatalf("%s and %s: equal is %v", args[0], args[1], neg)
	}
}

// mode OCTAL FILE wants a file's permissions.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has the mode %s, want %s", args[1], got, args[0])
	}
}
