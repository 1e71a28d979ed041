package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// maker makes one directory of vectors.
type maker struct {
	satchel, by, out, tmp string
	only                  string // the name of the one that is made; "" for all
	source                *source
}

// vector is one bundle, and what must happen to its reader.
type vector struct {
	name, about string
	images      []string // references in the source; those of another host cannot be reached
	earlier     []string // those of a bundle that is packed before, and arrives; the other one leaves out what it has
	pack        []string // further flags
	exit        int      // of pack
	postQuantum bool
	plain       bool                   // not encrypted, without key.txt
	recipient   string                 // who opens it; "": a key of its own, key.txt
	change      func(dir string) error // after packing; may be nil
	down        bool                   // the source is away in part
	signers     int
	expect      []string // lines of vector.txt
}

const (
	segment      = "s-00-00001.age"
	plainSegment = "s-00-00001.zst"
)

func (m *maker) all(ctx context.Context) error {
	whole := []string{"vectors/app:1.0", "vectors/tools:2.1"}
	for _, v := range []vector{
		{name: "x25519", about: "two images, a referrer, and a gap", images: append(whole, "vectors/absent:1.0"), pack: []string{"--keep-going"}, exit: 3,
			expect: []string{"expect: whole", "images: 3", "gaps: 1", "documents: 1"}},
		{name: "post-quantum", about: "the bundle key is post-quantum", images: whole, postQuantum: true,
			expect: []string{"expect: whole", "images: 3", "gaps: 0", "documents: 1"}},
		{name: "one-image", about: "one image, and the document that every bundle has", images: []string{"vectors/late:1.0"},
			expect: []string{"expect: whole", "images: 1", "gaps: 0", "documents: 1"}},
		{name: "unfinished", about: "the source went away", images: append(whole, "vectors/late:1.0"), pack: []string{"--retry-times=0"}, exit: 7, down: true,
			expect: []string{"expect: unfinished"}},
		{name: "damaged", about: "one byte of a segment has changed", images: whole, change: flip,
			expect: []string{"expect: damaged", "fault: " + segment}},
		{name: "truncated", about: "a segment has lost its last byte", images: whole, change: cut,
			expect: []string{"expect: truncated", "fault: " + segment}},
		{name: "signed", about: "two have signed it", images: whole, signers: 2,
			expect: []string{"expect: whole", "images: 3", "gaps: 0", "documents: 1", "signatures: 2"}},
		{name: "delta", about: "it leaves out what the bundle in baseline has", images: append(whole, "vectors/late:1.0"), earlier: whole, pack: []string{"--since", "last"},
			expect: []string{"expect: sparse", "images: 4", "left out: 13"}},
		{name: "plain", about: "not encrypted", images: whole, plain: true,
			expect: []string{"expect: whole", "plain: yes", "images: 3", "gaps: 0", "documents: 1"}},
		{name: "plain-damaged", about: "not encrypted; one byte of a segment has changed", images: whole, plain: true, change: flip,
			expect: []string{"expect: damaged", "plain: yes", "fault: " + plainSegment}},
		{name: "needs", about: "the seal needs a feature that no version has", images: whole, change: future,
			expect: []string{"expect: needs", "feature: future"}},
	} {
		if m.only != "" && v.name != m.only {
			continue
		}
		if err := m.make(ctx, v); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return nil
}

func (m *maker) make(ctx context.Context, v vector) error {
	dir := filepath.Join(m.out, v.name)
	bundle := filepath.Join(dir, "bundle")
	if err := os.MkdirAll(bundle, 0o755); err != nil {
		return err
	}
	lock := []string{"--no-encryption"} // of a plain one
	switch {
	case v.plain:
	case v.recipient != "":
		lock = []string{"-r", v.recipient}
	default:
		recipient, err := m.keygen(ctx, filepath.Join(dir, "key.txt"), v.postQuantum)
		if err != nil {
			return err
		}
		lock = []string{"-r", recipient}
	}
	m.source.down.Store(v.down)
	file := filepath.Join(m.tmp, v.name+".yaml")
	args := append([]string{"pack", "-q", "-c", file, "--src-tls-verify=false", "--lanes=1", "--segment-size=1MiB"}, lock...)
	if len(v.earlier) > 0 {
		if err := m.packEarlier(ctx, file, v.earlier, append(args, filepath.Join(dir, "baseline"))); err != nil {
			return err
		}
	}
	if err := m.configure(file, v.images); err != nil {
		return err
	}
	args = append(args, v.pack...)
	for n := range v.signers {
		key := filepath.Join(m.tmp, fmt.Sprintf("signer-%d", n+1))
		if err := addSigner(key, filepath.Join(dir, "signers")); err != nil {
			return err
		}
		args = append(args, "--sign-key", key)
	}
	if err := m.run(ctx, v.exit, append(args, bundle)...); err != nil {
		return err
	}
	if v.change != nil {
		if err := v.change(bundle); err != nil {
			return err
		}
	}
	head := fmt.Sprintf("%s\npacked by: %s\n\n%s\n", strings.Join(v.expect, "\n"), m.by, v.about)
	return os.WriteFile(filepath.Join(dir, "vector.txt"), []byte(head), 0o644)
}

// configure writes a configuration of images of the source.
func (m *maker) configure(file string, images []string) error {
	config := "kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  additionalImages:\n"
	for _, img := range images {
		config += "    - name: " + m.source.server.Listener.Addr().String() + "/" + img + "\n"
	}
	return os.WriteFile(file, []byte(config), 0o600)
}

// packEarlier packs a bundle, and notes that it arrived.
func (m *maker) packEarlier(ctx context.Context, file string, images, args []string) error {
	if err := m.configure(file, images); err != nil {
		return err
	}
	fingerprint, err := m.command(ctx, args...).Output()
	if err != nil {
		return fmt.Errorf("satchel %s: %w", strings.Join(args, " "), err)
	}
	return m.run(ctx, 0, "confirm", strings.TrimSpace(string(fingerprint)))
}

func (m *maker) keygen(ctx context.Context, file string, postQuantum bool) (recipient string, err error) {
	args := []string{"keygen", "--file", file}
	if postQuantum {
		args = append(args, "--post-quantum")
	}
	out, err := m.command(ctx, args...).Output()
	if err != nil {
		return "", fmt.Errorf("satchel keygen: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// run wants an exit code.
func (m *maker) run(ctx context.Context, want int, args ...string) error {
	cmd := m.command(ctx, args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("satchel %s: %w", args[0], err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		return fmt.Errorf("satchel %s: it exits with %d, not %d:\n%s", strings.Join(args, " "), got, want, out)
	}
	return nil
}

// command has a state and a cache of its own.
func (m *maker) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, m.satchel, args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(m.tmp, "state"), "XDG_CACHE_HOME="+filepath.Join(m.tmp, "cache"))
	return cmd
}

func edit(name string, change func(body []byte) []byte) error {
	body, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, change(body), 0o644)
}

func flip(dir string) error {
	name := filepath.Join(dir, segment)
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		name = filepath.Join(dir, plainSegment)
	}
	return edit(name, func(body []byte) []byte {
		body[len(body)/2] ^= 1
		return body
	})
}

func cut(dir string) error {
	return edit(filepath.Join(dir, segment), func(body []byte) []byte { return body[:len(body)-1] })
}

// future changes both copies of the seal; what binds the seal does not matter to a
// reader that must stop there.
func future(dir string) error {
	needs := []byte(" },\n \"needs\": [\n  \"future\"\n ],\n \"packedBy\": \"99.0.0\"\n}\n")
	change := func(body []byte) []byte { return append(bytes.TrimSuffix(body, []byte(" }\n}\n")), needs...) }
	return errors.Join(edit(filepath.Join(dir, "bundle.json"), change), edit(filepath.Join(dir, "copy", "bundle.json"), change))
}
