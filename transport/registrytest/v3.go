package registrytest

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/olareg/olareg"
	olaregconfig "github.com/olareg/olareg/config"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"

	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

// Served is a registry that runs inside the test's process.
type Served struct {
	Host string // 127.0.0.1:port
	Dir  string // its storage; "" for memory
	CA   string // PEM file with the certificate that signs the server's; "" for plain HTTP
}

// StartV3 runs distribution v3 until the test ends, with TLS if secure, and
// asking for user and password (HTTP basic) unless user is empty.
func StartV3(t testing.TB, secure bool, user, password string) *Served {
	t.Helper()
	return startV3(t, secure, user, password, configuration.ValidationIndexes{})
}

// StartSparse is a plain StartV3 for a registry that takes indexes without all that
// they name, but for images of linux for the architectures in must.
func StartSparse(t testing.TB, must ...string) *Served {
	t.Helper()
	v := configuration.ValidationIndexes{Platforms: "none"}
	for _, arch := range must {
		v.Platforms = "list"
		v.PlatformList = append(v.PlatformList, configuration.Platform{OS: "linux", Architecture: arch})
	}
	return startV3(t, false, "", "", v)
}

func startV3(t testing.TB, secure bool, user, password string, indexes configuration.ValidationIndexes) *Served {
	t.Helper()
	logrus.SetOutput(io.Discard) // distribution logs through it
	s := &Served{Dir: t.TempDir()}
	cfg := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem":  configuration.Parameters{"rootdirectory": s.Dir},
		"delete":      configuration.Parameters{"enabled": true},
		"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
	}}
	cfg.HTTP.Secret, cfg.Validation.Manifests.Indexes = "test", indexes
	cfg.Log.AccessLog.Disabled = true
	cfg.Log.Level = "error"
	cfg.Catalog.MaxEntries = 1000
	if user != "" {
		cfg.Auth = configuration.Auth{"htpasswd": configuration.Parameters{"realm": "test", "path": htpasswd(t, user, password)}}
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	s.serve(t, handlers.NewApp(ctx, cfg), secure)
	return s
}

// StartOlareg runs olareg, a registry with the referrers API, until the test
// ends. It speaks plain HTTP and keeps all in memory: its directory store has a
// data race.
func StartOlareg(t testing.TB) *Served {
	t.Helper()
	yes := true
	s := &Served{}
	reg := olareg.New(olaregconfig.Config{
		Storage: olaregconfig.ConfigStorage{StoreType: olaregconfig.StoreMem},
		API:     olaregconfig.ConfigAPI{DeleteEnabled: &yes, Blob: olaregconfig.ConfigAPIBlob{DeleteEnabled: &yes}},
	})
	t.Cleanup(func() {
		if err := reg.Close(); err != nil {
			t.Errorf("close olareg: %v", err)
		}
	})
	s.serve(t, reg, false)
	return s
}

func (s *Served) serve(t testing.TB, h http.Handler, secure bool) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	if secure {
		ca := NewAuthority(t)
		srv.TLS, s.CA = ca.Server(t, "127.0.0.1", time.Now().Add(time.Hour)), ca.File
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	_, s.Host, _ = strings.Cut(srv.URL, "://")
}

func htpasswd(t testing.TB, user, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatalf("hash the registry's password: %v", err)
	}
	file := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%s:%s\n", user, hash), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
