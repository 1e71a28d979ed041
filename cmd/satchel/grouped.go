package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

const (
	// manyAlike is from how many on errors that differ in the image alone are one line.
	manyAlike = 4
	// maxAlike is how many of their names are shown.
	maxAlike = 50
)

// alike is what a registry, or what leads to it, did to several images or repositories.
type alike struct {
	first int // its place among the errors
	names []string
	line  string // without the names
	least int    // how many make one line of it
}

// grouped gives one line for what is wrong with a registry as a whole, such as a password,
// with the names of all that it concerns, and one for each other error.
func grouped(errs []error) (lines []string) {
	groups := map[string]*alike{}
	in := make([]*alike, len(errs))
	for i, e := range errs {
		key, one := alikeOf(e)
		if key == "" {
			continue
		}
		g := groups[key]
		if g == nil {
			g = one
			g.first = i
			groups[key] = g
		} else {
			g.names = append(g.names, one.names...)
		}
		in[i] = g
	}
	for _, g := range groups {
		g.names = unique(g.names)
	}
	for i, e := range errs {
		g := in[i]
		switch {
		case g == nil || len(g.names) < g.least:
			lines = append(lines, text.OneLine(text.Joined(configured(e).Error())))
		case g.first == i:
			lines = append(lines, text.OneLine(g.line+": "+text.Some(g.names, maxAlike)))
		}
	}
	return unique(lines)
}

// unique gives each string once, in the order of the list.
func unique(list []string) (once []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			seen[s], once = true, append(once, s)
		}
	}
	return once
}

// alikeOf gives the key of errors that are said in one line, "" for an error that has its own.
func alikeOf(err error) (key string, one *alike) {
	answer, ok := errors.AsType[*transport.RegistryError](err)
	if !ok || as[*prepare.TagError](err) || as[*transport.LocationError](err) || as[*transport.AuthfileError](err) || as[*transport.ConfigError](err) {
		return "", nil
	}
	name := answer.Ref
	if gap, ok := errors.AsType[*oci.Gap](err); ok {
		name = gap.Image.Source.String()
	}
	cause := answer.Cause()
	if probe, ok := errors.AsType[*transport.ProbeError](err); ok {
		name = probe.Repo.Name()
		if !as[*transport.LoginError](err) {
			cause = string(probe.Problem) + ": " + cause
		}
	}
	host, rest, ok := strings.Cut(name, "/")
	if !ok {
		return "", nil
	}
	one = &alike{least: manyAlike, line: fmt.Sprintf("%s %s: %s", answer.Op, host, cause), names: []string{rest}}
	if login, ok := errors.AsType[*transport.LoginError](err); ok {
		one.least, one.line, one.names = 2, login.Error(), []string{repositoryOf(rest)}
	} else if answer.Everywhere() {
		one.least = 2
	}
	return host + "\n" + one.line, one
}

// repositoryOf is a reference without tag and digest.
func repositoryOf(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		ref = ref[:i]
	}
	return ref
}
