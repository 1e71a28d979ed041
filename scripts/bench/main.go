package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags; the servers' process gets the same ones.
type options struct {
	layer byteSize // of the one huge layer
	quick bool
	dir   string // where the bundle goes
}

func command(ctx context.Context, args []string) error {
	serving := len(args) > 0 && args[0] == serveCommand
	if serving {
		args = args[1:]
	}
	o := options{layer: 8 << 30}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Var(&o.layer, "layer", "`size` of the one huge layer")
	flags.BoolVar(&o.quick, "quick", false, "a small set: a huge layer of 256 MiB, others of 20 MiB")
	flags.StringVar(&o.dir, "dir", os.TempDir(), "`directory` for the bundle and the synced files")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if serving {
		return serve(ctx, o, os.Stdin, os.Stdout)
	}
	return run(ctx, o, args)
}

// byteSize is a flag such as 8GiB, 200MiB, 64KiB or a number of bytes.
type byteSize int64

func (b *byteSize) String() string { return strconv.FormatInt(int64(*b), 10) }

func (b *byteSize) Set(s string) error {
	number, unit := strings.TrimRight(s, "KMGiB"), int64(1)
	switch s[len(number):] {
	case "", "B":
	case "KiB":
		unit = kib
	case "MiB":
		unit = mib
	case "GiB":
		unit = gib
	default:
		return errors.New("write it as a number with KiB, MiB or GiB")
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > (1<<62)/unit {
		return errors.New("it is not a positive number of bytes")
	}
	*b = byteSize(n * unit)
	return nil
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)
