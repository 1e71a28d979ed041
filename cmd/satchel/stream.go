package main

import (
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/oci/text"
)

func addStream(f *pflag.FlagSet, name *string) {
	f.Var(givenValue{name, "NAME"}, "stream", "`NAME` of the row of bundles that are counted together: a-z, 0-9, full stop, hyphen, underscore (default: the name of the configuration's file); it can be read on the drive")
}

// behindHub ends the name of a stream for a mirror behind a hub, if none was given.
const behindHub = "-enclave"

// streamName gives the configuration's place, as a ledger has it, and the name of the stream.
func streamName(config, name string, hub bool) (from, stream string, err error) {
	from = config
	if config != "-" {
		if from, err = filepath.Abs(config); err != nil {
			return "", "", err
		}
	}
	switch {
	case name == "" && hub: // what comes from a mirror inside is no bundle of the stream that filled it
		return from, ledger.NameOf(config)[:min(len(ledger.NameOf(config)), 64-len(behindHub))] + behindHub, nil
	case name == "":
		return from, ledger.NameOf(config), nil
	}
	if err := bundle.CheckStreamName(name); err != nil {
		return "", "", usage(err, "such as --stream site-1")
	}
	return from, name, nil
}

// warnOtherConfig warns of a stream that was packed from another configuration, unless its
// name was given.
func (a *app) warnOtherConfig(state, stream, from string, given bool) error {
	if state == "" {
		return nil
	}
	l, err := ledger.Read(state, stream)
	if err == nil && l != nil && !given && l.Config != "" && l.Config != from {
		a.warn("the stream %s was packed from %s until now; if %s is another site's configuration, name its stream with --stream", stream, place(l.Config), place(from))
	}
	return err
}

// place is the place of a configuration, for people.
func place(config string) string {
	if config == "-" {
		return "standard input"
	}
	return text.Printable(config)
}

// inStream is a bundle's stream for a report, nil if it is of none.
func inStream(s bundle.Stream) *bundle.Stream {
	if s == (bundle.Stream{}) {
		return nil
	}
	return &s
}

// stream prints a bundle's place in its stream, nothing for one of no stream.
func (p *printer) stream(s *bundle.Stream, sequence int) {
	if s != nil {
		p.printf("stream       %s, bundle %d\n", s, sequence)
	}
}

// next prints which bundle of its stream the next one would be.
func (p *printer) next(s plan.Stream) {
	p.printf("stream       %s: the next bundle is number %d; ", s.Name, s.Next)
	if s.Arrived == nil {
		p.printf("none is known to have arrived\n")
		return
	}
	p.printf("the newest that is known to have arrived is %d, packed %s\n", s.Arrived.Sequence, text.Minute(s.Arrived.Sealed))
}
