package main

import (
	"os"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/serve"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestGreedyFiles gives a file without an end wherever a person names one: each is an error
// that says so, and memory stays what it was.
func TestGreedyFiles(t *testing.T) {
	t.Parallel()
	const endless = "/dev/zero"
	for what, read := range map[string]func() error{
		"configuration":     func() error { _, err := readConfig(endless); return err },
		"pull secret":       func() error { _, err := present(endless); return err },
		"present rules":     func() error { _, err := siteFlags{rules: endless}.over(&manifests.Cluster{}); return err },
		"nodes' credential": func() error { return nodeFlags{authfile: endless}.read(&manifests.Site{}) },
		"site's file": func() error {
			_, err := readSite(endless, "pull-secret", "pull secret", manifests.ParsePresentPullSecret)
			return err
		},
		"receipt":        func() error { _, err := readReceipt(endless); return err },
		"link list":      func() error { _, err := (linkFlags{only: endless}).list(); return err },
		"gap list":       func() error { _, err := gaps.Read(endless); return err },
		"htpasswd":       func() error { _, err := serve.ReadHtpasswd(endless); return err },
		"identity":       func() error { _, err := bundle.ReadIdentities([]string{endless}, nil); return err },
		"recipients":     func() error { _, err := bundle.ParseRecipients(nil, []string{endless}, nil); return err },
		"passphrase":     func() error { _, err := bundle.ReadPassphrase(endless); return err },
		"allowed signer": func() error { _, err := bundle.LoadTrust([]string{endless}, 1); return err },
		"chart values":   func() error { _, err := readValues(endless); return err },
		"credentials":    func() error { return askWith(t, transport.Config{Authfile: endless}) },
		"authorities":    func() error { return askWith(t, transport.Config{CAFile: endless, TLSVerify: true}) },
	} {
		err := read()
		if err == nil || !strings.Contains(err.Error(), "bytes") && !strings.Contains(err.Error(), "too l") && !strings.Contains(err.Error(), "larger than") {
			t.Errorf("%s: %v", what, err)
		}
		if strings.Contains(what, "configuration") && err != nil && !strings.Contains(err.Error(), endless) {
			t.Errorf("%s: %v does not name the file", what, err)
		}
	}
	exact := t.TempDir() + "/exact"
	if err := os.WriteFile(exact, []byte("1234"), 0o600); err != nil {
		t.Fatal(err)
	}
	if body, err := durable.Read(exact, 4); err != nil || string(body) != "1234" {
		t.Errorf("%q, %v", body, err)
	}
	if _, err := durable.Read(exact, 3); err == nil {
		t.Error("a byte too many is no error")
	}
}

// askWith asks a registry that does not exist, for which the files of cfg are read first.
func askWith(t *testing.T, cfg transport.Config) error {
	c := transport.NewClient(cfg)
	defer c.Close()
	repo, err := c.Repository(oci.Ref{Registry: "127.0.0.1:1", Repository: "a"})
	if err == nil {
		_, err = repo.Tags(t.Context())
	}
	return err
}
