package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
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

// TestCheckOddReceipts: receipts of another mirror, and damaged copies on this host, hide nothing of what the mirror
// has; what lies in the mirror itself and cannot be read may.
func TestCheckOddReceipts(t *testing.T) {
	mirror := registrytest.StartV3(t, false, "", "")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	place := oci.Mirror{Host: mirror.Host, Namespace: "in"}
	client := transport.NewClient(transport.Config{})
	defer client.Close()
	keeper := &receipt.Keeper{Mirror: transport.NewMirror(client, place, 1), Repo: receipt.RepoIn(place)}
	put := func(bundle string, of oci.Mirror) {
		t.Helper()
		one, err := keeper.Seal(t.Context(), &receipt.Receipt{State: receipt.Done, Bundle: strings.Repeat(bundle, 16), Mirror: of, Packed: time.Unix(1.7e9, 0), Time: time.Unix(1.7e9, 0)})
		if err != nil {
			t.Fatal(err)
		}
		h, err := keeper.History(t.Context())
		if err == nil {
			err = keeper.ToMirror(t.Context(), h, one)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	look := func(unread, aside, receipts int) {
		t.Helper()
		o, job := checkOptions{parallel: 1}, check.Options{}
		o.to, o.registry.given = mirror.Host+"/in", func() bool { return true }
		if err := o.receipts(t.Context(), &app{stderr: io.Discard}, &job); err != nil || len(job.Unread) != unread || len(job.Aside) != aside || len(job.Receipts) != receipts {
			t.Errorf("%v, %d receipts, not read: %v, left out: %v", err, len(job.Receipts), job.Unread, job.Aside)
		}
	}
	put("a", place)
	put("b", oci.Mirror{Host: "10.0.0.5:5000", Namespace: "in"})
	look(0, 1, 1)
	state, err := xdg("XDG_STATE_HOME", ".local/state")
	torn := filepath.Join(receipt.HostDir(state, place), "receipts")
	if err = errors.Join(err, os.MkdirAll(torn, 0o700), os.WriteFile(filepath.Join(torn, "aaaaaaaaaaaaaaaa-aaaaaaaaaaaa.json"), []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	look(0, 2, 1)
	odd := &transport.Artifact{Type: "application/vnd.satchel.receipt.v1", Files: []transport.File{{Name: receipt.File, Type: "application/json", Body: []byte("{")}}}
	if err := keeper.Mirror.PutArtifact(t.Context(), keeper.Repo.WithTag(strings.Repeat("c", 16)), odd); err != nil {
		t.Fatal(err)
	}
	look(1, 2, 1)
}

// TestCheckLostReceipt: a receipt that cannot be loaded ends the run only where there is no other to go by.
func TestCheckLostReceipt(t *testing.T) {
	t.Parallel()
	lost := &receipt.History{Done: []*receipt.Kept{{}}}
	if err := addKept(t.Context(), &check.Options{}, oci.Mirror{Host: "m.example"}, lost); err == nil {
		t.Error("nothing is known, and it goes on")
	}
	job := check.Options{Receipts: []*receipt.Receipt{{Mirror: oci.Mirror{Host: "m.example"}}}}
	if err := addKept(t.Context(), &job, oci.Mirror{Host: "m.example"}, lost); err != nil || len(job.Unread) == 0 {
		t.Errorf("%v, not read: %v", err, job.Unread)
	}
}

// TestCheckLogins: this host's own login is tried once, and not where nobody looks at the certificate.
func TestCheckLogins(t *testing.T) {
	t.Parallel()
	secret, err := manifests.ParsePullSecret("secret.json", []byte(`{"auths":{"m.example":{"auth":"bm9kZTpzZWNyZXQ="}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := logins(false, nil, nil); len(got) != 1 || got[0] != nil {
		t.Errorf("without others: %q", got)
	}
	if got := logins(false, secret, secret); len(got) != 2 || got[0] != nil || got[1] == nil {
		t.Errorf("of nodes, the same twice: %q", got)
	}
	if got := logins(true, secret); len(got) != 2 || string(got[0]) != `{"auths":{}}` || got[1] == nil {
		t.Errorf("where nobody looks: %q", got)
	}
}
