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

// Readme gives the bytes of README.txt. It depends only on what a verifier
// without a key can see: the bundle's ID and whether its keys are post-quantum.
func Readme(bundle string, postQuantum bool) []byte {
	version, reason := "age", "any version"
	if postQuantum {
		version, reason = "age 1.3 or newer", "the keys of this bundle are post-quantum"
	}
	return fmt.Appendf(nil, readme, bundle, version, reason)
}

const readme = `This directory is bundle %s, written by satchel. It holds container images for
a network without internet, encrypted. It is complete only if bundle.json is here.

With satchel:

  satchel verify DIR                                    is every byte here? (needs no key)
  satchel inspect -i KEY DIR                            what is in it?
  satchel unpack -i KEY --to HOST[:PORT][/NS] DIR       push it into a registry

Without satchel, with bash, sha256sum, %s (%s), zstd and tar.
KEY is your identity file, OUT a place with room for the whole content:

  set -eo pipefail
  sha256sum -c SHA256SUMS
  age -d -i KEY key-1.age > OUT/bundle.key
  mkdir OUT/layout
  for f in s-*.age; do age -d -i OUT/bundle.key "$f"; done | zstd -d | tar -x -C OUT/layout
  rm OUT/bundle.key

Do not leave out the sha256sum line: tar takes an early end for the end, so only that line
tells a whole bundle from one that lost its last files. OUT/layout is then an OCI image
layout. index.json in it names every image; for example:

  skopeo copy oci:OUT/layout:NAME docker://HOST/PATH:TAG

Nothing on this drive is changed by reading it. The file copy/NAME is a second copy of NAME.
`
