package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"github.com/olareg/olareg/types"
)

// registry is a registry on 127.0.0.1 that counts the blob bytes it serves and takes.
type registry struct {
	addr   string // host:port
	served *gate
	taken  *gate
	store  *olareg.Server
	server *http.Server
}

func startRegistry(dir string) (*registry, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &registry{addr: listener.Addr().String(), served: &gate{}, taken: &gate{}}
	r.store = olareg.New(config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreDir, RootDir: dir, GC: config.ConfigGC{Frequency: -1}},
		Log:     slog.New(slog.DiscardHandler),
	})
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func() { _ = r.server.Serve(listener) }() // ends with close
	return r, nil
}

func (r *registry) url() string { return "http://" + r.addr }

func (r *registry) close() error {
	r.served.release()
	r.taken.release()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := r.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, r.server.Close())
	}
	return errors.Join(err, ofRepositories(r.store.Close()))
}

// ofRepositories leaves out what the store says of repositories that were asked for and are not there.
func ofRepositories(err error) error {
	all, several := err.(interface{ Unwrap() []error })
	if !several {
		return err
	}
	var left []error
	for _, one := range all.Unwrap() {
		if !errors.Is(one, types.ErrNotFound) {
			left = append(left, one)
		}
	}
	return errors.Join(left...)
}

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch upload := strings.Contains(req.URL.Path, "/blobs/uploads/"); {
	case upload:
		req.Body = &countedBody{req.Body, r.taken}
	case req.Method == http.MethodGet && strings.Contains(req.URL.Path, "/blobs/"):
		w = &countedWriter{w, r.served}
	}
	r.store.ServeHTTP(w, req)
}

type countedBody struct {
	io.ReadCloser
	gate *gate
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.gate.pass(n)
	return n, err
}

type countedWriter struct {
	http.ResponseWriter
	gate *gate
}

func (w *countedWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.gate.pass(n)
	return n, err
}
