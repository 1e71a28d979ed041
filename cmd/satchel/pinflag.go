package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/oci/text"
)

// pinFlags say where the configuration is written with what it names today.
type pinFlags struct {
	file string
	yes  bool
}

func addPinFlags(f *pflag.FlagSet, p *pinFlags) {
	f.Var(givenValue{&p.file, "FILE"}, "pin", "also write the configuration to `FILE`, with a digest for every tag and versions for every channel, as they are today")
	f.BoolVar(&p.yes, "yes", false, "with --pin: replace FILE if it exists")
}

// check refuses what does not go together, before anything is asked for.
func (p pinFlags) check(config string, since []string, catalog string) error {
	switch {
	case p.file == "" && p.yes:
		return usage(errors.New("--yes is about --pin, and there is no --pin"), "")
	case p.file == "":
		return nil
	case len(since) > 0 || catalog == catalogMerge:
		return usage(errors.New("--pin goes with neither --since nor --catalog merge: what earlier bundles add is not in the configuration"), "pin without them; the pinned file can be packed with them")
	}
	info, err := os.Lstat(p.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return usage(fmt.Errorf("--pin: %w", err), "")
	case sameFile(info, config):
		return usage(fmt.Errorf("--pin: %s is the configuration itself", p.file), "name another file, so that the tags and channels stay known")
	case info.IsDir():
		return usage(fmt.Errorf("--pin: %s is a directory", p.file), "name a file in it")
	case !p.yes:
		return p.exists()
	}
	return nil
}

// sameFile reports whether a file has that name too.
func sameFile(info fs.FileInfo, name string) bool {
	other, err := os.Stat(name)
	return err == nil && os.SameFile(info, other)
}

func (p pinFlags) exists() error {
	return usage(fmt.Errorf("--pin: %s exists", p.file), "name another file, or replace it (--yes)")
}

// write writes the file, and reads it again.
func (p pinFlags) write(a *app, config string, r *plan.Report) error {
	if p.file == "" {
		return nil
	}
	body := pinned(config, r, time.Now())
	put := durable.Create
	if p.yes {
		put = durable.Write
	}
	err := put(p.file, body)
	if errors.Is(err, fs.ErrExist) {
		return p.exists()
	}
	var again []byte
	if err == nil {
		again, err = os.ReadFile(p.file)
	}
	if err == nil && !bytes.Equal(again, body) {
		err = errors.New("what was read again is not what was written")
	}
	if err != nil {
		return fmt.Errorf("write the pinned configuration: %w", err)
	}
	a.info("wrote %s: %s as it is today", text.Printable(p.file), place(config))
	for _, line := range r.NotPinned {
		a.warn("not pinned: %s", line)
	}
	return nil
}

// pinned is the file, with comments that say when and from what it was made.
func pinned(config string, r *plan.Report, now time.Time) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Pinned by satchel plan --pin on %s from %s: the digests and versions that it named then.\n", text.Minute(now), place(config))
	for _, line := range r.NotPinned {
		fmt.Fprintf(&b, "# Not pinned: %s\n", text.ASCII(text.OneLine(line)))
	}
	b.Write(r.Pinned)
	return b.Bytes()
}
