package seal

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Sums gives the bytes of SHA256SUMS, as sha256sum writes and checks it.
func Sums(files []File) []byte {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var buf bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&buf, "%s  %s\n", f.SHA256, f.Name)
	}
	return buf.Bytes()
}

// Opening is one way to get the bundle key out of a key file.
type Opening struct {
	File     string // key-N.age
	Identity string // what age takes after -i; empty for a passphrase
	Note     string
}

func (o Opening) command() string {
	if o.Identity == "" {
		return fmt.Sprintf("age -d %s > OUT/bundle.key", o.File)
	}
	return fmt.Sprintf("age -d -i %s %s > OUT/bundle.key", o.Identity, o.File)
}

// Readme gives the bytes of README.txt. It depends only on what a verifier
// without a key can see: the bundle's ID, the age program that it takes, such as
// "age 1.3 or newer", why, and the ways to open its key files.
func Readme(bundle, age, why string, ways []Opening) []byte {
	width := 0
	for _, w := range ways {
		width = max(width, len(w.command()))
	}
	var lines bytes.Buffer
	for _, w := range ways {
		fmt.Fprintf(&lines, "  %-*s    # %s\n", width, w.command(), w.Note)
	}
	one := "this line"
	if len(ways) > 1 {
		one = "one of these lines"
	}
	return fmt.Appendf(nil, readme, bundle, age, why, one, lines.Bytes())
}

const readme = `This directory is bundle %s, written by satchel. It holds container images for
a network without internet, encrypted. It is complete only if bundle.json is here.

With satchel:

  satchel verify DIR                                    is every byte here? (needs no key)
  satchel inspect -i KEY DIR                            what is in it?
  satchel unpack -i KEY --to HOST[:PORT][/NS] DIR       push it into a registry

Without satchel, with bash, sha256sum, %s (%s), zstd and tar.
OUT is a place with room for the whole content. First:

  set -eo pipefail
  sha256sum -c SHA256SUMS

Do not leave out the sha256sum line: tar takes an early end for the end, so only that line
tells a whole bundle from one that lost its last files. Then %s, for the bundle's own key:

%s
and then all of these:

  mkdir OUT/layout
  for f in s-*.age; do age -d -i OUT/bundle.key "$f"; done | zstd -d | tar -x -C OUT/layout
  rm OUT/bundle.key

OUT/layout is then an OCI image layout. index.json in it names every image; for example:

  skopeo copy oci:OUT/layout:NAME docker://HOST/PATH:TAG

Nothing on this drive is changed by reading it. The file copy/NAME is a second copy of NAME.
`
