package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// receiptFlags are those of addRegistryFlags that count for reading the receipts of --to, and not for pulls.
func receiptFlags() []string {
	return []string{"authfile", "dest-authfile", "cert-dir", "dest-cert-dir", "tls-verify", "dest-tls-verify", "ca-file", "retry-delay", "limit-rate"}
}

// forReceipts has the help say so.
func forReceipts(f *pflag.FlagSet, o *checkOptions) {
	for _, name := range receiptFlags() {
		f.Lookup(name).Usage += "; for the receipts of --to alone"
	}
	o.given = f.Changed
}

// idle refuses flags that nothing would be done by.
func (o checkOptions) idle() error {
	for _, name := range receiptFlags() {
		if o.to == "" && o.given(name) {
			return usage(fmt.Errorf("--%s is for reading the receipts that a mirror keeps, and no mirror is named", name),
				"leave it out: images are pulled by what is in OUTDIR, as nodes do; or name the mirror, too (--to HOST[:PORT][/NAMESPACE])")
		}
	}
	return nil
}

// readAsNodes reads the receipts of a mirror that refused this host: by what nodes have. If that does not go
// better, it gives what was read before.
func (o checkOptions) readAsNodes(ctx context.Context, a *app, job *check.Options, place oci.Mirror, keeper receipt.Keeper, before *receipt.History) (*receipt.History, error) {
	h := job.Handover
	if before.Refused == nil || h == nil {
		return before, nil
	}
	flags := o.registry
	file, err := o.authoritiesWith(h, place.Host)
	if err != nil {
		return nil, err
	}
	if file != "" {
		defer func() { _ = os.Remove(file) }() // nothing in it is secret
		flags.caFile = file
	}
	if slices.Contains(h.Nodes.Insecure(), place.Host) && !flags.given() {
		flags.tlsVerify = false
	}
	for _, login := range []*manifests.PullSecret{nil, cmp.Or(h.Secret, h.Entries), job.NodeSecret} {
		var credentials []byte // nil: this host's own
		if login != nil {
			credentials = login.JSON()
		}
		client := flags.clientWith(a, credentials)
		keeper.Mirror = transport.NewMirror(client, place, o.parallel)
		again, err := keeper.History(ctx)
		client.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil && again.Refused == nil {
			return again, nil
		}
	}
	return before, nil
}

// authoritiesWith makes a file of the authorities that nodes trust for a registry, and those of --ca-file;
// "" for none.
func (o checkOptions) authoritiesWith(h *manifests.Handover, registry string) (name string, err error) {
	pem := h.Authorities[""] + "\n" + h.Authorities[registry]
	if len(bytes.TrimSpace([]byte(pem))) == 0 {
		return "", nil
	}
	if o.registry.caFile != "" {
		own, err := os.ReadFile(o.registry.caFile)
		if err != nil {
			return "", usage(fmt.Errorf("read certificate authorities: %w", err), "name a file in PEM (--ca-file FILE)")
		}
		pem += "\n" + string(own)
	}
	f, err := os.CreateTemp("", "satchel-ca-*.pem")
	if err != nil {
		return "", fmt.Errorf("keep the authorities that nodes trust: %w", err)
	}
	if _, err = f.WriteString(pem); err == nil {
		err = f.Close()
	}
	return f.Name(), err
}
