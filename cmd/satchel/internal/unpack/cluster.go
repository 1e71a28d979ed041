package unpack

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusteryaml"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// AbsentError says that the mirror lacks images of a bundle.
type AbsentError struct {
	Mirror string
	Images []oci.Image // that it lacks
	All    int         // how many the bundle has
	// Attached is how many of all are attached to others.
	Attached int
}

func (e *AbsentError) Error() string {
	lacks := e.Images[0].Source.String() + ", the only image of this bundle"
	switch {
	case e.Attached > 0 && len(e.Images) == e.All:
		lacks = "all of this bundle: " + counted(e.Images)
	case e.Attached > 0:
		lacks = fmt.Sprintf("%s, of the %s of this bundle, such as %s", counted(e.Images), text.Images(e.All-e.Attached, e.Attached), e.Images[0].Source)
	case e.All > 1:
		lacks = fmt.Sprintf("%d of the %d images of this bundle, such as %s", len(e.Images), e.All, e.Images[0].Source)
	}
	return fmt.Sprintf("%s lacks %s; no cluster YAML was written", e.Mirror, lacks)
}

// Hint says what to do now.
func (e *AbsentError) Hint() string { return "push the bundle into the mirror first" }

// begin finds out what the YAML is rendered from and renders it, so that whatever is wrong
// shows before anything is pushed.
func begin(ctx context.Context, r *bundle.Reader, client *transport.Client, o Options) (*unpacking, error) {
	u := &unpacking{Options: o, r: r, bundle: r.ID(), src: r, carries: r.Has, client: client, mirror: transport.NewMirror(client, o.Site.Mirror, o.Parallel)}
	u.src = u.source()
	u.Site.Unchecked, u.mirror.Verify, u.mirror.TagChildren = o.Unasked, o.Verify, o.TagChildren
	if err := u.checkVersions(); err != nil {
		return nil, err
	}
	u.recall()
	u.attachments(r.Inventory())
	if o.Out == nil {
		return u, nil
	}
	for _, step := range []func(context.Context) error{u.readCarried, u.placeOutputs, u.recallForYAML} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if err := u.emit(); err != nil {
		return nil, err
	}
	return u, u.checkOutputs()
}

// readCarried reads what the bundle says besides images.
func (u *unpacking) readCarried(ctx context.Context) (err error) {
	if err := u.recallGone(); err != nil {
		return err
	}
	inv, r := u.r.Inventory(), u.r
	if u.Site.Signatures, err = manifests.ReadSignatures(ctx, inv, r); err != nil {
		return err
	}
	if u.Site.Payloads, err = manifests.ReadPayloadFacts(ctx, inv, r); err != nil {
		return err
	}
	if u.Site.PayloadBytes, err = u.payloadBytes(ctx); err != nil {
		return err
	}
	u.Site.Contents, err = manifests.ReadContents(ctx, inv, r)
	return err
}

// placeOutputs keeps output directories apart from the drives, and finds out how nodes reach the mirror.
func (u *unpacking) placeOutputs(ctx context.Context) (err error) {
	for _, out := range u.outputs() {
		for _, dir := range driveDirs(u.r) {
			if err := out.Dir.Apart(dir); err != nil {
				return err
			}
		}
	}
	if err := mirrorKnown(&u.Site, u.client); err != nil {
		return err
	}
	u.Site.Templates, err = clusteryaml.Templates(ctx, u.r)
	return err
}

// recallForYAML finds out what earlier bundles brought and what clusters run.
func (u *unpacking) recallForYAML(ctx context.Context) (err error) {
	for _, step := range []func(context.Context) error{u.recallEarlier, u.recallReleases, u.recallCatalogs, u.findRunning} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	u.forHub, err = manifests.HubOf(ctx, u.Site.Mirror, u.r.Inventory(), u.r)
	return err
}

// driveDirs are the directories of the drives that are here.
func driveDirs(r *bundle.Reader) []string {
	dirs := []string{r.Dir()}
	for _, d := range r.Drives() {
		if d.Dir != "" && d.Dir != r.Dir() {
			dirs = append(dirs, d.Dir)
		}
	}
	return dirs
}

// complete asks the mirror for every image of the bundle.
func (u *unpacking) complete(ctx context.Context) error {
	if err := u.lookBehind(ctx); err != nil {
		return err
	}
	inv := &oci.Inventory{Images: u.images}
	lacking, err := u.mirror.Lacks(ctx, u.src, inv)
	if len(lacking) > 0 {
		if err := u.otherLayout(ctx, lacking); err != nil {
			return err
		}
		return &AbsentError{u.Site.Mirror.String(), lacking, len(inv.Images), attached(inv.Images)}
	}
	if err := u.unsaid(err); err != nil {
		return err
	}
	u.tellRefused("not in the mirror")
	missing, err := u.unprovenBlobs(ctx)
	if err == nil {
		err = u.readSuspects(ctx, missing)
	}
	if err != nil {
		return err
	}
	if err := unmended(missing.Blobs, 0); err != nil {
		return &WrongError{err, "push the bundle into the mirror again, then write the YAML"}
	}
	return nil
}

// unprovenBlobs looks at every blob where an unpack of some of them into this mirror began on
// this host and did not end, and gives what is missing.
func (u *unpacking) unprovenBlobs(ctx context.Context) (*transport.Missing, error) {
	if is, err := u.interrupted(ctx); err != nil || !is {
		return &transport.Missing{}, err
	}
	missing, err := u.mirror.Missing(ctx, u.src, &oci.Inventory{Images: u.images})
	if err != nil {
		return nil, err
	}
	missing.Blobs = slices.DeleteFunc(missing.Blobs, func(d transport.Delivery) bool { return oci.IsForeign(d.Blob.MediaType) && !u.carries(d.Blob) })
	return missing, nil
}

// writeCluster writes the YAML, now that every image is in the mirror.
func (u *unpacking) writeCluster(ctx context.Context) error {
	if u.Out == nil {
		return nil
	}
	if err := u.answered(); err != nil {
		return err
	}
	for _, set := range u.sets {
		if err := u.writeSet(set); err != nil {
			return err
		}
	}
	if err := u.retire(); err != nil {
		return err
	}
	return u.writeTools(ctx)
}

// answered renders again where the mirror, as it now has answered, speaks plain HTTP, or has
// tags that name something else.
func (u *unpacking) answered() error {
	left, plain := u.mirror.Left(), u.mirror.PlainHTTP()
	if len(u.Site.PullFrom) > 0 {
		plain = u.nodesPlain != nil && *u.nodesPlain
	}
	if !plain && len(left) == 0 {
		return nil
	}
	u.Site.PlainHTTP = plain
	u.Site.Elsewhere = map[string]digest.Digest{}
	for _, move := range left {
		u.Site.Elsewhere[move.Tag.String()] = move.Old
	}
	return u.emit()
}

// mirrorKnown adds what this host knows of the mirror: how to log in, and which
// authorities signed its certificate.
func mirrorKnown(site *manifests.Site, client *transport.Client) error {
	login, err := client.Login(site.Mirror.Repo(oci.Image{Path: "openshift/release"}))
	if err != nil {
		return err
	}
	if login != (transport.Login{}) {
		site.Credential = &manifests.Credential{Username: login.Username, Password: login.Password, Token: login.Token != ""}
	}
	site.Now = time.Now()
	addresses := site.PullFrom
	if len(addresses) == 0 {
		addresses = []oci.Mirror{site.Mirror}
	}
	for _, at := range addresses { // what signed one address's certificate may have signed another's
		ca, err := client.Authorities(at.Host)
		if err != nil {
			return err
		}
		if !bytes.Contains(site.CA, bytes.TrimSpace(ca)) {
			site.CA = append(append(site.CA, ca...), '\n')
		}
	}
	return nil
}
