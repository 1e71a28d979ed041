package opm

import (
	"path"
	"slices"
	"strconv"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	flagCacheDir = "--cache-dir"
	flagEnforce  = "--cache-enforce-integrity"

	// DirCache and FileDigest are what the cache's directory has.
	DirCache   = "cache"
	FileDigest = "digest"

	defaultCacheDir = "/tmp/cache" // as in opm's own images
	otherCacheDir   = "/var/cache/opm"
	// KnowsCache is a text that an opm has in it which takes all of [Command.Arguments]:
	// the first ones with a cache had the directory's flag alone.
	KnowsCache = "cache-enforce-integrity"
)

// Command is how an image serves a catalog. Its paths are absolute and clean.
type Command struct {
	Serves  bool   // it is one that serves a catalog
	Program string // the last part of its name
	program string // all of it
	// Dir is what it serves, "" if that is not known, and CacheDir where it looks for
	// the cache; "" if it is not set.
	Dir, CacheDir string

	entrypoint, args []string
	at               int // of Dir in both
}

// ReadCommand reads an image's entrypoint and command.
func ReadCommand(run ispec.ImageConfig) Command {
	c := Command{entrypoint: run.Entrypoint, args: run.Cmd}
	all := slices.Concat(run.Entrypoint, run.Cmd)
	i := slices.Index(all, "serve")
	if i < 0 { // a shell's line is not taken apart
		return c
	}
	c.Serves = true
	absolute := func(name string) string {
		if !path.IsAbs(name) {
			name = "/" + run.WorkingDir + "/" + name
		}
		return path.Clean(name)
	}
	if dirs := operands(all, i+1); len(dirs) == 1 { // with more, flags of another opm have values
		c.at = dirs[0]
		c.Dir = absolute(all[c.at])
	}
	if i == 0 {
		return c
	}
	c.Program, c.program = path.Base(all[0]), path.Clean("/"+all[0])
	if strings.Contains(all[0], "/") {
		c.program = absolute(all[0])
	}
	for k, a := range all {
		dir, found := strings.CutPrefix(a, flagCacheDir+"=")
		if a == flagCacheDir && k+1 < len(all) {
			dir, found = all[k+1], true
		}
		if found && dir != "" {
			c.CacheDir = absolute(dir)
		}
	}
	return c
}

// valued are opm's flags whose value may be an argument of its own (operator-registry,
// cmd/opm/serve).
var valued = []string{flagCacheDir, "--termination-log", "-t", "--port", "-p", "--pprof-addr"}

// operands says which arguments from one on are no flags and no values of flags.
func operands(all []string, from int) (list []int) {
	for k := from; k < len(all); k++ {
		switch a := all[k]; {
		case a == "--":
			for k++; k < len(all); k++ {
				list = append(list, k)
			}
		case slices.Contains(valued, a):
			k++
		case len(a) < 2 || a[0] != '-':
			list = append(list, k)
		}
	}
	return list
}

// Serving is the command with another directory that it serves.
func (c Command) Serving(dir string) Command {
	c.Dir, c.entrypoint, c.args = dir, slices.Clone(c.entrypoint), slices.Clone(c.args)
	if n := len(c.entrypoint); c.at < n {
		c.entrypoint[c.at] = dir
	} else {
		c.args[c.at-n] = dir
	}
	return c
}

// Entrypoint is that of the image.
func (c Command) Entrypoint() []string { return c.entrypoint }

// system are directories of which nothing may be replaced as a whole.
var system = []string{"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/sbin", "/var"}

// maxDir is the longest name of a directory that is replaced, in bytes.
const maxDir = 1024

// Replaceable reports whether the image has a directory for the cache which may be
// replaced: nothing else is there.
func (c Command) Replaceable(configs string) bool {
	dir := c.CacheDir
	return dir != "" && !within(dir, configs) && !within(configs, dir) && c.Alone(dir)
}

// Alone reports whether a directory is one that can have a catalog, or its cache, and
// nothing else.
func (c Command) Alone(dir string) bool {
	return len(dir) <= maxDir && !slices.Contains(system, dir) && !within(c.program, dir)
}

// CacheDirBeside is where the cache goes where the image says nothing of it.
func CacheDirBeside(configs string) string {
	if within(configs, defaultCacheDir) || within(defaultCacheDir, configs) {
		return otherCacheDir
	}
	return defaultCacheDir
}

// within reports whether a path is dir or below it, both clean and absolute.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// Arguments are those of an image that has the cache in dir, "" for none: where it is,
// and, for a program that knows of it, that a cache which does not fit is built again,
// which would else end the program.
func (c Command) Arguments(dir string, knows bool) []string {
	args := slices.Clone(c.args)
	if dir == "" {
		return args
	}
	if c.CacheDir == "" {
		args = append(args, flagCacheDir+"="+dir)
	}
	isEnforce := func(a string) bool { return a == flagEnforce || strings.HasPrefix(a, flagEnforce+"=") }
	if !knows || slices.ContainsFunc(args, isEnforce) {
		return args
	}
	return append(args, flagEnforce+"="+strconv.FormatBool(false))
}
