package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

const seed = 2026

// demo is the state that one step hands to the next.
type demo struct {
	dir            string // everything; work is the user's directory in it
	out            io.Writer
	source, mirror *registry
	signatures     *signatures
	content        *ocitest.Content
	images         []image
	left           []image // in the source, and not to be carried
	digests        int
	blobBytes      int64 // of unique blobs
	recipient      string
	began          time.Time
	fetched        int64         // blob bytes that pack took from the source
	packTime       time.Duration // of both runs
	unpackTime     time.Duration
}

func (d *demo) close() error {
	var err error
	for _, r := range []*registry{d.source, d.mirror} {
		if r != nil {
			err = errors.Join(err, r.close())
		}
	}
	if d.signatures != nil {
		err = errors.Join(err, d.signatures.close())
	}
	return err
}

// prepare builds satchel, starts the registries and fills the source.
func (d *demo) prepare(ctx context.Context) (err error) {
	d.began = time.Now()
	fmt.Fprintln(d.out, "# Building satchel, filling the source registry with made-up images ...")
	if err := build(ctx, d.dir); err != nil {
		return err
	}
	for _, name := range []string{"work", "work/drive", "state", "run"} {
		if err := os.Mkdir(filepath.Join(d.dir, name), 0o700); err != nil {
			return err
		}
	}
	if d.source, err = startRegistry(filepath.Join(d.dir, "source")); err != nil {
		return fmt.Errorf("start source registry: %w", err)
	}
	if d.mirror, err = startRegistry(filepath.Join(d.dir, "mirror")); err != nil {
		return fmt.Errorf("start mirror registry: %w", err)
	}
	if d.signatures, err = startSignatures(filepath.Join(d.dir, "work", releaseKey)); err != nil {
		return fmt.Errorf("start store of signatures: %w", err)
	}
	d.content = ocitest.New(seed)
	if err := d.makeImages(); err != nil {
		return err
	}
	for _, i := range slices.Concat(d.images, d.left) {
		if err := ocitest.Push(ctx, d.content, i.root, d.source.url(), i.repo, i.sourceTag()); err != nil {
			return fmt.Errorf("fill source registry: %w", err)
		}
	}
	d.digests, d.blobBytes, err = count(ctx, d.content, d.images)
	return err
}

func (d *demo) makeImages() error {
	parts, err := makeRelease(d.content)
	if err != nil {
		return err
	}
	operators, left, err := makeCatalog(d.content)
	d.images, d.left = slices.Concat(parts, operators, makeExtras(d.content)), left
	return err
}

func (d *demo) keygen(ctx context.Context) error {
	d.say("A key for the restricted side. Only the recipient goes to the packing side.")
	out, err := d.satchel(ctx, "keygen", "--file", "key.txt")
	if err != nil {
		return err
	}
	if d.recipient = strings.TrimSpace(out); !strings.HasPrefix(d.recipient, "age1") {
		return fmt.Errorf("satchel keygen printed %q, not an age recipient", out)
	}
	return nil
}

func (d *demo) configure(context.Context) error {
	for _, f := range []struct{ say, name, text string }{
		{"The same file that oc-mirror reads says what to carry.", "imageset.yaml", imageSet(d.images)},
		{"In this demo these names lead to a registry on this machine.", "../registries.conf", sourceConf(d.images, d.source.addr)},
		{"And the mirror speaks plain HTTP; the cluster inside is configured for that.", "image-config.yaml", imageConfig(d.mirror.addr)},
	} {
		d.say("%s", f.say)
		if err := d.cat(f.name, []byte(f.text)); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(d.dir, "work", f.name), []byte(f.text), 0o600); err != nil {
			return err
		}
	}
	for name, hosts := range map[string][]string{presentSecret: {"cloud.openshift.com", "quay.io"}, nodeSecret: {d.mirror.addr}} {
		if err := os.WriteFile(filepath.Join(d.dir, "work", name), []byte(credentials(hosts...)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) pack(ctx context.Context) error {
	d.signed()
	args := []string{"pack", "-c", "imageset.yaml", "-r", d.recipient, "--registries-conf", "../registries.conf", "--segment-size", "8MiB", "drive/"}
	// Filling the source took no blob out of it, so every byte served is pack's.
	return d.twice(ctx, "Pack onto the drive", d.source.served, &d.packTime, args)
}

func (d *demo) look(ctx context.Context) error {
	d.say("Is the drive whole? Anyone can tell; no key is needed.")
	if _, err := d.satchel(ctx, "verify", "drive/"); err != nil {
		return err
	}
	d.say("What is on it? Only the key tells.")
	out, err := d.satchel(ctx, "inspect", "-i", "key.txt", "drive/")
	if err != nil {
		return err
	}
	for _, i := range d.images {
		if !strings.Contains(out, i.source()) {
			return fmt.Errorf("satchel inspect does not name %s", i.source())
		}
	}
	return nil
}

func (d *demo) unpack(ctx context.Context) error {
	args := []string{"unpack", "-i", "key.txt", "--to", d.mirror.addr + "/mirror", "--dest-tls-verify=false",
		"--node-authfile", nodeSecret, "--present-image-config", "image-config.yaml", "--output-dir", outDir, "drive/"}
	if err := d.twice(ctx, "Unpack into the mirror", d.mirror.taken, &d.unpackTime, args); err != nil {
		return err
	}
	return d.checkSigned()
}

// twice runs a transfer, kills it half-way, and runs it again to its end. Fewer
// bytes must move than if the second run had begun from nothing.
func (d *demo) twice(ctx context.Context, what string, g *gate, took *time.Duration, args []string) error {
	began, before, half := time.Now(), g.total(), d.blobBytes/2
	d.say("%s. Half-way, the power fails.", what)
	if err := d.killed(ctx, g, half, args...); err != nil {
		return err
	}
	d.say("The same command resumes where it stopped.")
	if _, err := d.satchel(ctx, args...); err != nil {
		return err
	}
	*took = time.Since(began)
	switch moved := g.total() - before; {
	case moved < d.blobBytes:
		return fmt.Errorf("satchel %s moved %d bytes, fewer than the %d there are", args[0], moved, d.blobBytes)
	case moved >= d.blobBytes+half:
		return fmt.Errorf("satchel %s moved %d bytes for %d: it began again from nothing", args[0], moved, d.blobBytes)
	}
	return nil
}

// compare checks every digest of every image in both registries.
func (d *demo) compare(ctx context.Context) error {
	d.say("Is everything there? Every manifest and blob is fetched from both registries and hashed.")
	// Comparing with the source serves blobs too, which must not count as pack's.
	fetched := d.source.served.total()
	for _, i := range d.images {
		if err := ocitest.Compare(ctx, d.content, i.root, d.source.url(), i.repo, i.sourceTag()); err != nil {
			return fmt.Errorf("source registry: %w", err)
		}
		if i.filtered {
			if err := d.checkFiltered(ctx, i); err != nil {
				return err
			}
			continue
		}
		if err := ocitest.Compare(ctx, d.content, i.root, d.mirror.url(), "mirror/"+i.mirrorRepo(), i.mirrorTag()); err != nil {
			return fmt.Errorf("mirror registry: %w", err)
		}
	}
	if err := d.compareLeft(); err != nil {
		return err
	}
	d.fetched = fetched
	return nil
}

// checkFiltered wants another image in the mirror than in the source.
func (d *demo) checkFiltered(ctx context.Context, i image) error {
	at := d.mirror.url() + "/v2/mirror/" + i.mirrorRepo() + "/manifests/" + i.mirrorTag()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", i.root.MediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || oci.Digest(body) == i.root.Digest {
		return fmt.Errorf("the mirror has no filtered catalog at %s: %s", at, resp.Status)
	}
	return nil
}

// compareLeft looks into the mirror's storage for what was not to be carried.
func (d *demo) compareLeft() error {
	held := func(i image) (bool, error) {
		_, err := os.Stat(filepath.Join(d.dir, "mirror", "mirror", filepath.FromSlash(i.mirrorRepo()), "blobs", "sha256", i.root.Digest.Encoded()))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	}
	for n, i := range slices.Concat(d.images, d.left) {
		wanted := n < len(d.images) && !i.filtered
		if there, err := held(i); err != nil || there != wanted {
			return fmt.Errorf("the mirror has %s: %t, want %t; %v", i.source(), there, wanted, err)
		}
	}
	return nil
}
