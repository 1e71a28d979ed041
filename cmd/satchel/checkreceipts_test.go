package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestCheckReadsReceipts: receipts of the mirror that this host may not read are read as nodes would; if they
// may not either, that is not taken for a mirror without receipts.
func TestCheckReadsReceipts(t *testing.T) {
	t.Parallel()
	mirror := registrytest.StartV3(t, true, "node", "secret")
	pem, err := os.ReadFile(mirror.CA)
	if err != nil {
		t.Fatal(err)
	}
	nobody := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(nobody, []byte(`{"auths":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	files := func(ca, password string) *manifests.Handover {
		secret, err := manifests.ParsePullSecret("secret.json", []byte(fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, mirror.Host, base64.StdEncoding.EncodeToString([]byte("node:"+password)))))
		if err != nil {
			t.Fatal(err)
		}
		h, err := manifests.ReadHandover(fstest.MapFS{"registries.conf": {}})
		if err != nil {
			t.Fatal(err)
		}
		h.Secret, h.Authorities[mirror.Host] = secret, ca
		return h
	}
	for name, c := range map[string]struct {
		h      *manifests.Handover
		unread int
	}{
		"none": {nil, 1}, "no authority": {files("", "secret"), 1}, "other password": {files(string(pem), "wrong"), 1}, "as nodes": {files(string(pem), "secret"), 0},
	} {
		o, job := checkOptions{parallel: 1}, check.Options{Handover: c.h}
		o.to, o.registry.tlsVerify, o.registry.given = mirror.Host+"/in", true, func() bool { return false }
		o.registry.authfile = nobody
		if err := o.receipts(t.Context(), &app{stderr: io.Discard}, &job); err != nil || len(job.Unread) != c.unread {
			t.Errorf("%s: %v %v", name, err, job.Unread)
		}
	}
}

// TestCheckIdleFlags: a flag by which nothing would be done is refused, and not taken for one by which nodes pull.
func TestCheckIdleFlags(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--ca-file=ca.crt", "--authfile=a.json", "--dest-tls-verify=false", "--limit-rate=1MiB"} {
		cmd := newCheck(&app{stdout: io.Discard, stderr: io.Discard})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs([]string{"--output-dir", t.TempDir(), flag})
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), "is for reading the receipts") || !as[*usageError](err) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
