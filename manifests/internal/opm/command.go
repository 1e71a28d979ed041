package opm

import (
	"path"
	"slices"
	"strconv"
	"strings"
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

// Command is how an image serves a catalog.
type Command struct {
	Serves  bool   // it is one that serves a catalog
	Program string // the last part of its name
	program string // all of it
	// CacheDir is where it looks for the cache: absolute and clean; "" if it is not told.
	CacheDir string

	args []string // what the image has beside its entrypoint
}

// ReadCommand reads an image's entrypoint and command.
func ReadCommand(entrypoint, cmd []string) Command {
	c := Command{args: cmd}
	all := slices.Concat(entrypoint, cmd)
	i := slices.Index(all, "serve")
	if i < 1 { // a shell's line is not taken apart
		if i == 0 {
			c.Serves = true
		}
		return c
	}
	c.Serves, c.Program, c.program = true, path.Base(all[0]), path.Clean("/"+all[0])
	for k, a := range all {
		dir, found := strings.CutPrefix(a, flagCacheDir+"=")
		if a == flagCacheDir && k+1 < len(all) {
			dir, found = all[k+1], true
		}
		if found && dir != "" {
			c.CacheDir = path.Clean("/" + dir)
		}
	}
	return c
}

// system are directories of which nothing may be replaced as a whole.
var system = []string{"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/sbin", "/var"}

// Replaceable reports whether the image has a directory for the cache which may be
// replaced: nothing else is there.
func (c Command) Replaceable(configs string) bool {
	dir := c.CacheDir
	return dir != "" && !slices.Contains(system, dir) && !within(dir, configs) && !within(configs, dir) && !within(c.program, dir)
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

// Arguments are those of an image that has the cache in dir: where it is, and, for a
// program that knows of it, that a cache which does not fit is built anew, which would
// else end the program.
func (c Command) Arguments(dir string, knows bool) []string {
	args := slices.Clone(c.args)
	if c.CacheDir == "" {
		args = append(args, flagCacheDir+"="+dir)
	}
	told := func(a string) bool { return a == flagEnforce || strings.HasPrefix(a, flagEnforce+"=") }
	if !knows || slices.ContainsFunc(args, told) {
		return args
	}
	return append(args, flagEnforce+"="+strconv.FormatBool(false))
}
