package matrixtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/olareg/olareg"
	olaregconfig "github.com/olareg/olareg/config"
	"github.com/sirupsen/logrus"

	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"

	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// registries are the rows of the table, in its order.
var registries = []struct {
	name   string // with its version
	gated  bool   // has no login of its own: a proxy in front asks
	docker bool   // takes Docker's media types
	alone  bool   // loses manifests that are pushed into a repository at the same time
	start  func(t *testing.T, s *site) (host string)
}{
	{"docker-registry 2.8.2", false, true, false, startDebian},
	{"distribution 3.1.2", false, true, false, startDistribution},
	{"olareg 0.1.2", true, true, false, startOlareg},
	{"go-containerregistry 0.22.1", true, true, false, startGGCR},
	{"zot 1.4.3", false, false, true, startZot},
}

// startDebian runs Debian's docker-registry.
func startDebian(t *testing.T, s *site) string {
	var yaml strings.Builder
	if s.secure {
		fmt.Fprintf(&yaml, "http:\n  addr: 127.0.0.1:0\n  secret: test\n  tls:\n    certificate: %q\n    key: %q\n", s.cert, s.key)
	}
	switch s.login {
	case password:
		fmt.Fprintf(&yaml, "auth:\n  htpasswd:\n    realm: test\n    path: %q\n", s.htpasswd)
	case token:
		fmt.Fprintf(&yaml, "auth:\n  token:\n    realm: %q\n    service: test\n    issuer: issuer\n    rootcertbundle: %q\n", s.realm, s.signer)
	}
	return registrytest.StartConfig(t, yaml.String()).Host
}

// startDistribution runs distribution v3 in the process.
func startDistribution(t *testing.T, s *site) string {
	logrus.SetOutput(io.Discard) // distribution logs through it
	cfg := &configuration.Configuration{Storage: configuration.Storage{
		"filesystem": configuration.Parameters{"rootdirectory": t.TempDir()}, "delete": configuration.Parameters{"enabled": true},
		"maintenance": configuration.Parameters{"uploadpurging": map[any]any{"enabled": false}},
	}}
	cfg.HTTP.Secret, cfg.Log.AccessLog.Disabled, cfg.Log.Level, cfg.Catalog.MaxEntries = "test", true, "error", 1000
	switch s.login {
	case password:
		cfg.Auth = configuration.Auth{"htpasswd": configuration.Parameters{"realm": "test", "path": s.htpasswd}}
	case token:
		cfg.Auth = configuration.Auth{"token": configuration.Parameters{"realm": s.realm, "service": "test", "issuer": "issuer", "rootcertbundle": s.signer}}
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return hostOf(s.serve(t, handlers.NewApp(ctx, cfg)))
}

func startOlareg(t *testing.T, s *site) string {
	yes := true
	reg := olareg.New(olaregconfig.Config{
		Storage: olaregconfig.ConfigStorage{StoreType: olaregconfig.StoreMem},
		API:     olaregconfig.ConfigAPI{DeleteEnabled: &yes, Blob: olaregconfig.ConfigAPIBlob{DeleteEnabled: &yes}},
	})
	t.Cleanup(func() {
		if err := reg.Close(); err != nil {
			t.Errorf("close olareg: %v", err)
		}
	})
	return hostOf(s.serve(t, s.gate(reg)))
}

// startGGCR runs the registry of crane.
func startGGCR(t *testing.T, s *site) string {
	return hostOf(s.serve(t, s.gate(ggcr.New(ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(true)))))
}

func hostOf(address string) string {
	_, host, _ := strings.Cut(address, "://")
	return host
}

// startZot runs the zot that SATCHEL_ZOT names.
func startZot(t *testing.T, s *site) string {
	program := os.Getenv("SATCHEL_ZOT")
	if program == "" {
		t.Skip("SATCHEL_ZOT does not name zot; make soak builds it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(host, ":")
	web := map[string]any{"address": "127.0.0.1", "port": port}
	if s.secure {
		web["tls"] = map[string]string{"cert": s.cert, "key": s.key}
	}
	switch s.login {
	case password:
		web["auth"] = map[string]any{"htpasswd": map[string]string{"path": s.htpasswd}}
	case token:
		web["auth"] = map[string]any{"bearer": map[string]string{"realm": s.realm, "service": "test", "cert": s.signer}}
	}
	body, err := json.Marshal(map[string]any{"storage": map[string]any{"rootDirectory": t.TempDir()}, "http": web, "log": map[string]string{"level": "error"}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", write(t, "zot.json", body))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("tcp", host); err == nil {
			_ = conn.Close() // nothing was sent
			return host
		}
	}
	t.Fatal("zot does not listen after 30 seconds")
	return ""
}
