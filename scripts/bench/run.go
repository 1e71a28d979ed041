package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bench is the state of one run.
type bench struct {
	*set
	servers *servers
	dir     string // everything that is written
}

// results are the measured transfers.
type results struct {
	pack, unpack     usage
	packed, unpacked int64 // bytes written by each, see written
	get, files, put  usage
	protection       *protection
}

func run(ctx context.Context, o options, args []string) (err error) {
	dir, err := os.MkdirTemp(o.dir, "satchel-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Println("Building satchel, computing digests of the made-up layers ...")
	if err := build(ctx, dir); err != nil {
		return err
	}
	servers, wait, err := startServers(ctx, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.close()) }()
	s, err := makeSet(ctx, o) // while the servers do the same
	if err == nil {
		err = wait()
	}
	if err != nil {
		return err
	}
	b := &bench{set: s, servers: servers, dir: dir}
	r, err := b.measureAll(ctx)
	if err != nil {
		return err
	}
	good := b.report(os.Stdout, r)
	r.protection.report(os.Stdout)
	if !good {
		return errors.New("a limit is broken")
	}
	return nil
}

func build(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", dir+string(filepath.Separator), "github.com/satchel-airgap/satchel/cmd/satchel")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build satchel: %w\n%s", err, out)
	}
	return nil
}

// measureAll runs satchel first: see measure about the peak.
func (b *bench) measureAll(ctx context.Context) (r results, err error) {
	key := b.satchel(ctx, "keygen", "--file", "key.txt")
	var recipient bytes.Buffer
	key.Stdout = &recipient
	if err := key.Run(); err != nil {
		return r, fmt.Errorf("satchel keygen: %w", err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "imageset.yaml"), []byte(b.imageSet(b.servers.Source)), 0o600); err != nil {
		return r, err
	}
	if err := os.Mkdir(filepath.Join(b.dir, "drive"), 0o700); err != nil {
		return r, err
	}
	pack := []string{"pack", "-c", "imageset.yaml", "-r", strings.TrimSpace(recipient.String()), "--src-tls-verify=false", "drive/"}
	if r.pack, r.packed, err = b.transfer(ctx, pack...); err != nil {
		return r, err
	}
	unpack := []string{"unpack", "-i", "key.txt", "--to", b.servers.Mirror + "/mirror", "--dest-tls-verify=false", "drive/"}
	if r.unpack, r.unpacked, err = b.transfer(ctx, unpack...); err != nil {
		return r, err
	}
	if err := b.checkMirror(ctx); err != nil {
		return r, err
	}
	if err := os.RemoveAll(filepath.Join(b.dir, "drive")); err != nil {
		return r, err
	}
	if r.protection, err = b.measureParity(ctx, strings.TrimSpace(recipient.String())); err != nil {
		return r, err
	}
	return r, b.measurePlain(ctx, &r)
}

func (b *bench) measurePlain(ctx context.Context, r *results) (err error) {
	source, mirror := "http://"+b.servers.Source+"/v2/bench/plain", "http://"+b.servers.Mirror+"/v2/bench/plain"
	fmt.Println("\nplain HTTP GETs and PUTs")
	if r.get, err = getToNowhere(ctx, source, b.blobs); err != nil {
		return fmt.Errorf("plain GETs: %w", err)
	}
	if r.files, err = getToFiles(ctx, source, filepath.Join(b.dir, "files"), b.blobs); err != nil {
		return fmt.Errorf("plain GETs to files: %w", err)
	}
	if r.put, err = put(ctx, mirror, b.content, b.blobs); err != nil {
		return fmt.Errorf("plain PUTs: %w", err)
	}
	return nil
}

// satchel prepares a command that none of the user's own settings reach.
func (b *bench) satchel(ctx context.Context, args ...string) *exec.Cmd {
	fmt.Printf("\n$ satchel %s\n", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "satchel"), args...)
	cmd.Dir = b.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + b.dir, "TMPDIR=" + b.dir, "XDG_STATE_HOME=" + filepath.Join(b.dir, "state"),
		"XDG_CONFIG_HOME=" + filepath.Join(b.dir, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(b.dir, "run"),
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

// transfer measures a command, and the bytes it wrote to files. Those are the
// bytes of its write calls without what the mirror took of them, or the bytes
// sent towards storage, whichever is more.
func (b *bench) transfer(ctx context.Context, args ...string) (u usage, written int64, err error) {
	before, err := b.servers.taken(ctx)
	if err != nil {
		return u, 0, err
	}
	if u, err = measure(b.satchel(ctx, args...)); err != nil {
		return u, 0, fmt.Errorf("satchel %s: %w", args[0], err)
	}
	after, err := b.servers.taken(ctx)
	return u, max(u.storage, u.calls-(after-before)), err
}

// checkMirror makes sure that the mirror has every image under its tag. It takes
// a manifest only when it has all that the manifest names.
func (b *bench) checkMirror(ctx context.Context) error {
	for _, i := range b.images {
		url := "http://" + b.servers.Mirror + "/v2/mirror/" + i.repo + "/manifests/" + i.tag
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		if err := resp.Body.Close(); err != nil {
			return err
		}
		if got := resp.Header.Get("Docker-Content-Digest"); got != i.root.Digest.String() {
			return fmt.Errorf("mirror: %s:%s is %q (%s), want %s", i.repo, i.tag, got, resp.Status, i.root.Digest)
		}
	}
	return nil
}
