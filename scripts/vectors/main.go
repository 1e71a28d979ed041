package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "vectors:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("vectors", flag.ContinueOnError)
	satchel := flags.String("satchel", "", "the `program` that packs")
	by := flags.String("packed-by", "", "its version or commit, for vector.txt")
	faulty := flags.Bool("faults", false, "make bundles with one fault each, not those that show what a version packs")
	only := flags.String("only", "", "the `name` of the one vector that is made (default: all)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *satchel == "" || *by == "" || flags.NArg() != 1 {
		return errors.New("-satchel, -packed-by and one directory are needed")
	}
	program, err := filepath.Abs(*satchel)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "satchel-vectors-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	src, err := startSource(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.close()) }()
	if err := os.Mkdir(flags.Arg(0), 0o755); err != nil { // never over vectors that are there
		return err
	}
	m := &maker{satchel: program, by: *by, out: flags.Arg(0), tmp: tmp, only: *only, source: src}
	if *faulty {
		return m.makeFaults(ctx)
	}
	return m.all(ctx)
}
