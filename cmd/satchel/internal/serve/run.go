package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	headTime    = 30 * time.Second // for a client to send the head of a request
	usualBody   = 30 * time.Second // for it to send a body, which nobody needs
	idleTime    = 2 * time.Minute  // until a connection without requests is closed
	maxHead     = 64 << 10         // bytes
	connections = 512              // at a time; further ones wait
	usualGrace  = 10 * time.Second // for answers that are under way when the run ends
)

// Run serves on l until the context ends, then gives what is under way a moment, and closes the
// bundles. cert is nil for plain HTTP. The error is the context's, or says why it cannot listen.
func (g *Registry) Run(ctx context.Context, l net.Listener, cert *tls.Certificate) error {
	defer g.Close()
	srv := &http.Server{
		Handler: g, ReadHeaderTimeout: headTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHead,
		ErrorLog: log.New(lines(func(line string) { g.Debug("%s", line) }), "", 0),
	}
	// Many requests on one connection would get round the limit of connections, and a stream of
	// HTTP/2 that waits to read would be cut off by its last write deadline.
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	ended := make(chan error, 1)
	l = netutil.LimitListener(l, connections)
	go func() {
		if cert == nil {
			ended <- srv.Serve(l)
			return
		}
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12}
		ended <- srv.ServeTLS(l, "", "")
	}()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.stop(srv)
	g.Info("answered %s, %s sent%s", text.Count(int(g.requests.Load()), "request", "requests"), bundle.FormatSize(g.sent.Load()), g.rep.Waits())
	return err
}

// stop ends the server: answers under way get some time, new requests none.
func (g *Registry) stop(srv *http.Server) {
	close(g.ended)
	ctx, cancel := context.WithTimeout(context.Background(), g.grace)
	defer cancel()
	if err := srv.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		g.Warn("some answers were cut off: their clients can go on by a range of bytes once it serves again")
		_ = srv.Close() // they were told
	}
	g.busy.Wait()
}

// lines is a writer that has each line go somewhere.
type lines func(string)

func (f lines) Write(p []byte) (int, error) {
	f(strings.TrimSpace(string(p)))
	return len(p), nil
}
