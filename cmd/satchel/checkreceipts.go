package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
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
	o.typed = func(name string) bool { return typed(f.Lookup(name)) }
}

// idle refuses flags that nothing would be done by.
func (o checkOptions) idle() error {
	for _, name := range receiptFlags() {
		if o.to == "" && o.typed(name) {
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
	unverified := slices.Contains(h.Nodes.Insecure(), place.Host) && !flags.given()
	if unverified {
		flags.tlsVerify = false
	}
	for _, credentials := range logins(unverified, cmp.Or(h.Secret, h.Entries), job.NodeSecret) {
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

// logins are those to read receipts by, in this order, each once; nil is this host's own. Where the files for the
// cluster say that nobody looks at the certificate, it stays here: it may have the right to push.
func logins(unverified bool, nodes ...*manifests.PullSecret) (list [][]byte) {
	list = append(list, nil)
	if unverified {
		list[0] = []byte(`{"auths":{}}`)
	}
	for _, login := range nodes {
		if login == nil {
			continue
		}
		credentials := login.JSON()
		if !slices.ContainsFunc(list, func(have []byte) bool { return bytes.Equal(have, credentials) }) {
			list = append(list, credentials)
		}
	}
	return list
}

// noteOdd says which receipts do not count. Those of other mirrors, and of this host where the mirror gave all
// that it has, hide nothing.
func noteOdd(job *check.Options, history *receipt.History, whole bool) {
	if err := history.Refused; err != nil {
		note(job, false, err, "have this host read the mirror's receipts (--ca-file, --authfile), and run this again")
	}
	if err := history.Host; err != nil {
		note(job, whole, err, "have this user read the directory with what satchel knows of the mirror")
	}
	for _, odd := range history.Odd {
		switch {
		case as[*receipt.OtherError](odd):
			job.Aside = append(job.Aside, odd)
		case as[*receipt.UnreadError](odd):
			job.Unread = append(job.Unread, odd)
		case as[*receipt.HostError](odd):
			note(job, whole, odd, "take that file away, and unpack its bundle again")
		default:
			note(job, false, odd, "unpack its bundle again; or, if satchel did not write it, delete it in the registry")
		}
	}
}

func note(job *check.Options, harmless bool, err error, hint string) {
	if harmless {
		job.Aside = append(job.Aside, err)
		return
	}
	job.Unread = append(job.Unread, usage(err, hint))
}

// addKept adds the receipts that count. One that cannot be read ends the run only where there is no other.
func addKept(ctx context.Context, job *check.Options, place oci.Mirror, history *receipt.History) error {
	var kept []*receipt.Receipt
	var unread []error
	for _, one := range history.Done {
		r, err := one.Load()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			unread = append(unread, err)
		default:
			kept = append(kept, r)
		}
	}
	if len(kept)+len(job.Receipts) == 0 && len(unread) > 0 {
		return errors.Join(unread...)
	}
	job.Unread = append(job.Unread, unread...)
	job.Add(place, kept)
	return nil
}

// authoritiesWith makes a file of the authorities that nodes trust for a registry, and those of --ca-file;
// "" for none.
func (o checkOptions) authoritiesWith(h *manifests.Handover, registry string) (name string, err error) {
	pem := h.Authorities[""] + "\n" + h.Authorities[registry]
	if len(bytes.TrimSpace([]byte(pem))) == 0 {
		return "", nil
	}
	if o.registry.caFile != "" {
		own, err := durable.Read(o.registry.caFile, durable.MaxGiven)
		if err != nil {
			return "", usage(fmt.Errorf("read certificate authorities: %w", err), "name a file in PEM (--ca-file FILE)")
		}
		pem += "\n" + string(own)
	}
	f, err := os.CreateTemp("", "satchel-ca-*.pem")
	if err != nil {
		return "", fmt.Errorf("keep the authorities that nodes trust: %w", err)
	}
	_, err = f.WriteString(pem)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name()) // what is left is not whole
		return "", fmt.Errorf("keep the authorities that nodes trust: %w", err)
	}
	return f.Name(), nil
}
