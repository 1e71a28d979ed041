package transport_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestNodeStall: a registry that takes requests and never answers ends a pull, and is lost.
func TestNodeStall(t *testing.T) {
	t.Parallel()
	hung := count(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			<-r.Context().Done()
		}
	})
	n := newNode(t, transport.NodeConfig{Tries: 1, Stall: 100 * time.Millisecond}, "source.example/team", hung.host+"/in")
	_, err := n.Pull(t.Context(), refTo(t, "source.example/team/app@sha256:"+strings.Repeat("a", 64)))
	refused, ok := errors.AsType[*transport.NodeError](err)
	if !ok {
		t.Fatal(err)
	}
	if sort, words := transport.NodeTrouble(refused.Tried[0].Err); sort != transport.TroubleLost {
		t.Errorf("%d %s", sort, words)
	}
}

// TestNodeShares: images of one repository share its connections and its token, whether they are there or
// not; what a place does not have is asked for once; and no more repositories are kept open than fit.
func TestNodeShares(t *testing.T) {
	t.Parallel()
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`
	there := oci.Digest([]byte(manifest))
	var pings, tokens, asked, connections atomic.Int64
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			tokens.Add(1)
			fmt.Fprintf(w, `{"token":%q}`, r.URL.Query().Get("scope"))
		case r.URL.Path == "/v2/":
			pings.Add(1)
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer repository:"+strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/manifests")[0]+":"):
			w.WriteHeader(http.StatusForbidden)
		case strings.HasSuffix(r.URL.Path, there.String()):
			asked.Add(1)
			w.Header().Set("Content-Type", oci.MediaTypeManifest)
			fmt.Fprint(w, manifest)
		default:
			asked.Add(1)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`)
		}
	})
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	_, host, _ := strings.Cut(server.URL, "://")
	n := newNode(t, transport.NodeConfig{Tries: 1}, "source.example/team", host+"/in")
	pull := func(ref string) error {
		p, err := n.Pull(t.Context(), refTo(t, ref))
		if err != nil {
			return err
		}
		return p.Close()
	}
	if err := pull("source.example/team/app@" + there.String()); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		var refused *transport.NodeError
		if err := pull(fmt.Sprintf("source.example/team/app@sha256:%064x", i%20)); !errors.As(err, &refused) || !transport.NodeLacks(refused.Tried[0].Err) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if pings.Load() != 1 || tokens.Load() != 1 || asked.Load() != 21 || connections.Load() != 1 {
		t.Errorf("%d pings, %d tokens, %d manifests, %d connections", pings.Load(), tokens.Load(), asked.Load(), connections.Load())
	}
	for turn := range 2 {
		for i := range 100 {
			if err := pull(fmt.Sprintf("source.example/team/app%d@%s", i, there)); err != nil {
				t.Errorf("%d: %v", turn, err)
			}
		}
	}
	if n := pings.Load(); n != 201 {
		t.Errorf("%d pings: more repositories were kept open than fit", n)
	}
}

// TestNodeOutage: a registry that is away for a moment costs no image.
func TestNodeOutage(t *testing.T) {
	t.Parallel()
	const manifest = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, transport.NodeConfig{}, "source.example/team", host+"/in")
	lost := make(chan error, 100)
	for i := range cap(lost) {
		go func() {
			p, err := n.Pull(t.Context(), refTo(t, fmt.Sprintf("source.example/team/app%d@%s", i, oci.Digest([]byte(manifest)))))
			if err == nil {
				err = p.Close()
			}
			lost <- err
		}()
	}
	time.Sleep(1300 * time.Millisecond) // all tries have been made
	if l, err = net.Listen("tcp", host); err != nil {
		t.Skipf("another has the port: %v", err)
	}
	back := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.Header().Set("Content-Type", oci.MediaTypeManifest)
			fmt.Fprint(w, manifest)
		}
	}))
	_ = back.Listener.Close()
	back.Listener = l
	back.Start()
	t.Cleanup(back.Close)
	for range cap(lost) {
		if err := <-lost; err != nil {
			t.Error(err)
		}
	}
}

// TestNodeSigns: a list of many pages, and a registry that has nodes wait, do not stand still.
func TestNodeSigns(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	slow := count(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		turn := asked.Add(1)
		if turn == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		time.Sleep(250 * time.Millisecond)
		if turn < 5 {
			w.Header().Set("Link", fmt.Sprintf(`</v2/in/app/tags/list?last=%d>; rel="next"`, turn))
		}
		fmt.Fprintf(w, `{"tags":["v%d"]}`, turn)
	})
	n := newNode(t, transport.NodeConfig{Tries: 1, Stall: 600 * time.Millisecond}, "source.example/team", slow.host+"/in")
	tags, err := n.Tags(t.Context(), transport.NodePlace{Ref: refTo(t, slow.host+"/in/app:v1").Repo(), Insecure: true})
	if err != nil || len(tags) != 4 {
		t.Errorf("%q, %v", tags, err)
	}
}
