package unpack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// NodesError says that nodes would not get images, as they are to pull them.
type NodesError struct {
	From   string      // the address that they pull from
	Images []oci.Image // that they would not get; empty where Err says why nothing could be asked
	All    int
	Err    error // of the first request that was refused, or nil
	login  bool  // they have a credential
}

func (e *NodesError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("look at %s as nodes do: %v", e.From, e.Err)
	}
	return fmt.Sprintf("look at %s as nodes do: it does not give %s of %d, such as %s; no cluster YAML was written", e.From, text.Count(len(e.Images), "image", "images"), e.All, e.Images[0].Source)
}

func (e *NodesError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *NodesError) Hint() string {
	if e.login {
		return "the images are in the mirror: see that the nodes' credential may pull all of its repositories, and that this address leads to them, namespace included; then write the YAML again"
	}
	return "the images are in the mirror: see that this address leads to them, namespace included, and give nodes a credential if it asks for one; then write the YAML again"
}

// Permanent reports that the same address and credential give this answer again.
func (e *NodesError) Permanent() bool { return e.Err == nil }

// nodes says how nodes pull, with a client that does so; without one if they lack a credential,
// which is said, or if the mirror was looked at in that way already. The caller closes it.
func (u *unpacking) nodes() (*manifests.NodePull, *transport.Client, error) {
	if u.Out == nil || u.AsNodes == nil || u.Unasked || u.away != "" {
		return nil, nil, nil
	}
	nodes, err := manifests.NodePullOf(u.r.Inventory(), u.Site)
	if err != nil || !nodes.Known || nodes.Secret == nil && len(u.Site.PullFrom) == 0 {
		return nil, nil, err
	}
	credentials := []byte(`{"auths":{}}`)
	if nodes.Secret != nil {
		credentials = nodes.Secret.JSON()
	}
	return nodes, u.AsNodes(credentials), nil
}

// asNodes looks for every image as nodes do: at the address that they pull from, and with their
// credential. What the one that pushes gets, they may not.
func (u *unpacking) asNodes(ctx context.Context) error {
	nodes, client, err := u.nodes()
	if err != nil || client == nil {
		if names := u.unlooked(); err == nil && len(names) > 0 {
			u.Warn("nodes pull from %s, where nothing was looked at: satchel has a credential for the mirror, and none for nodes was given. Whether the images and their signatures are there is not known, and the YAML takes it that nodes need TLS there", text.And(names))
		}
		return err
	}
	defer client.Close()
	at := transport.NewMirror(client, nodes.From, u.Parallel)
	images := slices.DeleteFunc(slices.Clone(u.images), u.wasRefused)
	if why := u.notReached(ctx, at, nodes.From, images); why != nil {
		u.away = nodes.From.String()
		u.Warn("nodes pull from %s, which this host does not reach, so nothing was looked at there: %v. Whether nodes find the images and their signatures is not known, and the YAML takes it that nodes need TLS there; to look, run satchel render on a host that reaches it", u.away, why)
		return nil
	}
	lacking, err := at.Lacks(ctx, u.src, &oci.Inventory{Images: images})
	wrong := &NodesError{From: nodes.From.String(), All: len(images), login: nodes.Secret != nil}
	switch {
	case len(lacking) > 0:
		wrong.Images = lacking
		return wrong
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if wrong.Err = u.unsaid(err); wrong.Err != nil {
		return wrong
	}
	if len(u.Site.PullFrom) > 0 {
		plain := at.PlainHTTP()
		u.nodesPlain = &plain
	}
	with := "without a credential"
	if nodes.Secret != nil {
		with = "with their credential"
	}
	u.Info("nodes get %s from %s %s", counted(images), nodes.From, with)
	return nil
}

// reachWithin is how long an address that only nodes need to reach is tried.
const reachWithin = 10 * time.Second

// notReached gives the error with which no connection to the address of nodes came about; nil if one
// did, and if it is the mirror's own, which was reached before.
func (u *unpacking) notReached(ctx context.Context, at *transport.Mirror, from oci.Mirror, images []oci.Image) error {
	if len(u.Site.PullFrom) == 0 || len(images) == 0 {
		return nil
	}
	first, stop := context.WithTimeout(ctx, reachWithin)
	defer stop()
	_, _, err := at.Manifest(first, from.Repo(images[0]).WithDigest(images[0].Root.Digest))
	if err == nil || ctx.Err() != nil {
		return nil
	}
	var answer *transport.RegistryError
	var dial *net.OpError
	switch {
	case errors.As(err, &answer) && slices.Contains([]transport.Trouble{transport.TroubleName, transport.TroubleRefused, transport.TroubleLost}, answer.Trouble()),
		errors.As(err, &dial) && dial.Op == "dial", first.Err() != nil:
		return err
	}
	return nil
}

// unlooked are the addresses that nodes pull from and that were not looked at, because nodes lack
// a credential.
func (u *unpacking) unlooked() (names []string) {
	if u.Out == nil || u.AsNodes == nil || u.Unasked || u.DryRun {
		return nil
	}
	if nodes, err := manifests.NodePullOf(u.r.Inventory(), u.Site); err != nil || nodes.Known {
		return nil
	}
	for _, at := range u.Site.PullFrom {
		names = append(names, at.String())
	}
	return names
}

// wasRefused reports whether the mirror took no such image, and may do without.
func (u *unpacking) wasRefused(img oci.Image) bool {
	return slices.ContainsFunc(u.mirror.Refused(), func(r transport.RefusedImage) bool {
		return r.Image.Root.Digest == img.Root.Digest && r.Image.Subject == img.Subject
	})
}
