package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// nodeFlags say how nodes pull from the mirror.
type nodeFlags struct {
	authfile string
	push     bool
	from     []string
}

func addNodeFlags(f *pflag.FlagSet, n *nodeFlags) {
	f.StringVar(&n.authfile, "node-authfile", "", "`FILE` with the credential by which nodes pull from the mirror, best of an account that may only pull (podman login --authfile FILE HOST)")
	f.BoolVar(&n.push, "push-credential-on-nodes", false, "give nodes the credential that satchel pushes with, where they have none of their own")
	f.StringArrayVar(&n.from, "pull-from", nil, "`HOST[:PORT][/NAMESPACE]` that nodes pull from in place of --to, such as a load balancer or a replica (may be given more than once: nodes try them in this order)")
}

func (n nodeFlags) given() bool { return n.authfile != "" || n.push || len(n.from) > 0 }

// warnLoopback says that nodes would ask themselves where the mirror's address is this host's own name
// for itself.
func (n nodeFlags) warnLoopback(a *app, mirror oci.Mirror) {
	name := mirror.Host
	if host, _, err := net.SplitHostPort(mirror.Host); err == nil {
		name = host
	}
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	loopback := err == nil && addr.Unmap().IsLoopback() || name == "localhost" || strings.HasSuffix(name, ".localhost")
	if loopback && len(n.from) == 0 {
		a.warn("the cluster's YAML leads nodes to %s, which is each node itself, not this host: give the mirror's name for nodes (--pull-from HOST[:PORT][/NAMESPACE])", mirror.Host)
	}
}

// read adds what the flags say to a site.
func (n nodeFlags) read(site *manifests.Site) error {
	if n.authfile != "" && n.push {
		return usage(errors.New("--node-authfile and --push-credential-on-nodes are two answers to one question"), "leave out --push-credential-on-nodes: a credential that may only pull is safer")
	}
	site.PushOnNodes = n.push
	for _, from := range n.from {
		at, err := oci.ParseMirror(from)
		if err != nil {
			return usage(fmt.Errorf("--pull-from %q is not an address that nodes can pull from", from), "write it as HOST[:PORT][/NAMESPACE]; the namespace is a part of it, as with --to")
		}
		site.PullFrom = append(site.PullFrom, at)
	}
	if n.authfile == "" {
		return nil
	}
	data, err := durable.Read(n.authfile, durable.MaxGiven)
	if err == nil {
		site.NodeSecret, err = manifests.ParsePullSecret(n.authfile, data)
	}
	if err != nil {
		return usage(fmt.Errorf("read the nodes' credential: %w", err), "write the file with podman login --authfile FILE HOST (--node-authfile FILE)")
	}
	return nil
}
