package registrytest

import (
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/olareg/olareg"
	olaregconfig "github.com/olareg/olareg/config"
)

// Served is a registry that runs inside the test's process.
type Served struct {
	Host string // 127.0.0.1:port
	Dir  string // its storage
}

// StartOlareg runs olareg, a registry with the referrers API, until the test
// ends. It speaks plain HTTP.
func StartOlareg(t testing.TB) *Served {
	t.Helper()
	yes := true
	s := &Served{Dir: t.TempDir()}
	reg := olareg.New(olaregconfig.Config{
		Storage: olaregconfig.ConfigStorage{StoreType: olaregconfig.StoreDir, RootDir: s.Dir},
		API:     olaregconfig.ConfigAPI{DeleteEnabled: &yes, Blob: olaregconfig.ConfigAPIBlob{DeleteEnabled: &yes}},
		Log:     slog.New(slog.DiscardHandler),
	})
	srv := httptest.NewUnstartedServer(reg)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		if err := reg.Close(); err != nil {
			t.Logf("close olareg: %v", err) // it says so of a repository that was asked for and never written
		}
	})
	_, s.Host, _ = strings.Cut(srv.URL, "://")
	return s
}
