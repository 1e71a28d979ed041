package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// protection is how long it takes to protect a bundle of a part of the set, and to repair it,
// beside par2cmdline on the same files; and what a bundle costs that is not encrypted.
type protection struct {
	bytes            int64 // of the segments
	lost             int   // segments that were rebuilt
	satchel, par2    [3]usage
	unpack, unsealed usage // of the same bundle, encrypted and not
}

// parityRatio is what the bundle is protected with: two segments of all may be lost.
const parityRatio = "2/200"

// measureParity packs the images with shared layers, adds parity, verifies, loses two segments
// and repairs them.
func (b *bench) measureParity(ctx context.Context, recipient string) (*protection, error) {
	part := &set{images: b.images[len(b.images)-3:]}
	if err := os.WriteFile(filepath.Join(b.dir, "part.yaml"), []byte(part.imageSet(b.servers.Source)), 0o600); err != nil {
		return nil, err
	}
	pack := []string{"pack", "-c", "part.yaml", "--src-tls-verify=false", "--segment-size", "32MiB"}
	plain := append(pack, "--no-encryption", "plain/")
	if err := errors.Join(b.satchel(ctx, append(pack, "-r", recipient, "part/")...).Run(), b.satchel(ctx, plain...).Run()); err != nil {
		return nil, fmt.Errorf("pack a part of the set: %w", err)
	}
	p := &protection{}
	unpack := []string{"unpack", "-i", "key.txt", "--dest-tls-verify=false", "--to", b.servers.Mirror + "/part", "part/"}
	unsealed := []string{"unpack", "--allow-unencrypted", "--dest-tls-verify=false", "--to", b.servers.Mirror + "/plain", "plain/"}
	var err, uerr error
	p.unpack, err = measure(b.satchel(ctx, unpack...))
	p.unsealed, uerr = measure(b.satchel(ctx, unsealed...))
	if err := errors.Join(err, uerr); err != nil {
		return nil, fmt.Errorf("unpack a part of the set: %w", err)
	}
	segments, err := b.beside(p)
	if err != nil {
		return nil, err
	}
	of := func(args ...string) *exec.Cmd { return b.satchel(ctx, args...) }
	err = p.protect(&p.satchel, filepath.Join(b.dir, "part"), segments, of,
		[]string{"parity", "--parity", parityRatio, "part/"}, []string{"verify", "part/"}, []string{"repair", "--yes", "part/"})
	if err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("par2"); err != nil {
		fmt.Println("\npar2 is not installed: not compared")
		//lint:ignore nilerr without par2 there is nothing to compare
		return p, nil
	}
	of = func(args ...string) *exec.Cmd {
		fmt.Printf("\n$ par2 %s\n", strings.Join(args, " "))
		cmd := exec.CommandContext(ctx, "par2", args...)
		cmd.Dir = filepath.Join(b.dir, "par2")
		return cmd
	}
	// As many recovery blocks as two segments have: 32 MiB, and a little more for the frames of age.
	create := append([]string{"create", "-q", "-q", "-s1048576", "-c66", "all.par2"}, segments...)
	return p, p.protect(&p.par2, filepath.Join(b.dir, "par2"), segments, of,
		create, []string{"verify", "-q", "-q", "all.par2"}, []string{"repair", "-q", "-q", "all.par2"})
}

// beside gives par2 the same segments, as links.
func (b *bench) beside(p *protection) (names []string, err error) {
	paths, err := filepath.Glob(filepath.Join(b.dir, "part", "s-*"))
	if err != nil || len(paths) < 4 {
		return nil, fmt.Errorf("%d segments, %w", len(paths), err)
	}
	if err := os.Mkdir(filepath.Join(b.dir, "par2"), 0o700); err != nil {
		return nil, err
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		p.bytes += info.Size()
		names = append(names, filepath.Base(path))
		if err := os.Link(path, filepath.Join(b.dir, "par2", filepath.Base(path))); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// protect measures three commands; two segments are lost before the last one.
func (p *protection) protect(u *[3]usage, dir string, segments []string, of func(...string) *exec.Cmd, commands ...[]string) (err error) {
	p.lost = 2
	for i, args := range commands {
		if i == 2 {
			for _, name := range segments[:p.lost] {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					return err
				}
			}
		}
		if u[i], err = measure(of(args...)); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(args[:1], " "), err)
		}
	}
	return nil
}

// report prints the numbers.
func (p *protection) report(w io.Writer) {
	fmt.Fprintf(w, "\n%s of segments; parity for any two; %d lost and rebuilt\n\n", inMiB(p.bytes), p.lost)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\twall\tCPU\tpeak memory\tMiB/s\tMiB/s of CPU\t")
	line := func(name string, u usage) {
		if u.wall > 0 {
			rate := func(seconds float64) string { return fmt.Sprintf("%.0f", float64(p.bytes)/mib/max(seconds, 0.001)) }
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", name, seconds(u.wall), seconds(u.cpu), inMiB(u.peak), rate(u.wall.Seconds()), rate(u.cpu.Seconds()))
		}
	}
	for i, what := range []string{"create", "verify", "repair"} {
		line("satchel "+what, p.satchel[i])
		line("par2 "+what, p.par2[i])
	}
	line("unpack, encrypted", p.unpack)
	line("unpack, not encrypted", p.unsealed)
	_ = t.Flush() // as good as the lines printed before it
}
