package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: go run ./scripts/demo

It shows the whole way on this machine: satchel packs images from a registry, is
killed, resumes, verifies, and unpacks into another registry. All of it is in a
temporary directory, which is deleted at the end. It takes no arguments.
`

func main() {
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flag.Parse() // -h shows the usage
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo: FAILED:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "satchel-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{dir: dir, out: os.Stdout}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{d.keygen, d.configure, d.pack, d.look, d.unpack, d.compare, d.show, d.secret, d.pull} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return d.table()
}
