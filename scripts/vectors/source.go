package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"sync/atomic"

	"github.com/olareg/olareg"
	"github.com/olareg/olareg/config"
	"github.com/opencontainers/image-spec/specs-go"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// source is a registry with the images of the vectors.
type source struct {
	store  *olareg.Server
	server *httptest.Server
	away   oci.Descriptor // a blob that the registry does not give while down is set
	down   atomic.Bool
}

// startSource serves vectors/app:1.0, an image with a referrer; vectors/tools:2.1,
// an index of two platforms; and vectors/late:1.0, of which a layer can be away.
func startSource(ctx context.Context) (*source, error) {
	s := &source{store: olareg.New(config.Config{
		Storage: config.ConfigStorage{StoreType: config.StoreMem},
		Log:     slog.New(slog.DiscardHandler),
	})}
	s.server = httptest.NewServer(s)
	c := ocitest.New(5)
	base := c.Layer(2<<10, ocitest.LayerGzip)
	app := c.Image(false, base, c.Layer(3<<10, ocitest.LayerTar))
	note, err := json.Marshal(ispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ispec.MediaTypeImageManifest, ArtifactType: "application/vnd.example.note",
		Config: c.Blob([]byte("{}"), ispec.MediaTypeEmptyJSON), Layers: []oci.Descriptor{c.Blob([]byte("a note about app\n"), "text/plain")},
		Subject: &oci.Descriptor{MediaType: app.MediaType, Digest: app.Digest, Size: app.Size},
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.away = c.Layer(1<<10, ocitest.LayerZstd)
	for _, img := range []struct {
		repo, tag string
		root      oci.Descriptor
	}{
		{"vectors/app", "1.0", app},
		{"vectors/app", "note", c.Blob(note, ispec.MediaTypeImageManifest)},
		{"vectors/tools", "2.1", c.Index(false, c.Image(false, base, c.Layer(1<<10, ocitest.LayerGzip)), c.ImageFor("arm64", false, base, c.Layer(1<<10, ocitest.LayerGzip)))},
		{"vectors/late", "1.0", c.Image(false, base, s.away)},
	} {
		if err := ocitest.Push(ctx, c, img.root, s.server.URL, img.repo, img.tag); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

// ServeHTTP gives all but the content of what is away.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.down.Load() && r.Method == http.MethodGet && path.Base(r.URL.Path) == s.away.Digest.String() {
		http.Error(w, "away", http.StatusServiceUnavailable)
		return
	}
	s.store.ServeHTTP(w, r)
}

func (s *source) close() error {
	s.server.Close()
	return s.store.Close()
}
