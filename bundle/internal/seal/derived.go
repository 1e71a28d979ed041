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

// ReadmeText is the wording of README.txt that bundles are sealed with now. Those that say
// nothing have the first one.
const ReadmeText = 2

// Readme gives the bytes of README.txt. It depends only on what a verifier
// without a key can see: the wording that the bundle was sealed with, its ID, the age
// program that it takes, such as "age 1.3 or newer", why, and the ways to open its key
// files. A wording that this version does not know gives nil.
func Readme(text int, bundle, age, why string, ways []Opening) []byte {
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
	switch text {
	case 0, 1:
		return fmt.Appendf(nil, readme+readmeAfter1, bundle, age, why, one, lines.Bytes())
	case 2:
		return fmt.Appendf(nil, readme+readmeAfter2, bundle, age, why, one, lines.Bytes())
	}
	return nil
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

OUT/layout is then an OCI image layout. `

// readmeAfter1 is how an image gets from the layout into a registry, as it was first written.
const readmeAfter1 = `index.json in it names every image; for example:

  skopeo copy oci:OUT/layout:NAME docker://HOST/PATH:TAG

Nothing on this drive is changed by reading it. The file copy/NAME is a second copy of NAME.
`

// readmeAfter2 keeps the digests of all images, and works with tools that most hosts have.
const readmeAfter2 = `index.json in it has the NAME
of every image (org.opencontainers.image.ref.name) and its DIGEST. Two ways to push one into a
registry; both keep all digests.

With skopeo 1.19 or newer (an older one finds no Docker images in a layout):

  skopeo copy --all --preserve-digests oci:OUT/layout:NAME docker://HOST/PATH:TAG

With bash and curl, also for what skopeo refuses: an index within an index, an index of which
some platforms are not in the bundle. Leave out -u for a registry without a password. Options
such as --cacert FILE go there too.

  set -eo pipefail
  A=sha256; B=OUT/layout/blobs/$A; V=vnd; TO=https://HOST/v2/PATH
  ask() { curl -fsS -u USER:PASSWORD "$@"; }
  blob() {
    local at
    at=$(ask -d '' -D - "$TO/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
    case $at in /*) at=${TO%%%%/v2/*}$at;; esac
    case $at in *\?*) at=$at\&;; *) at=$at\?;; esac
    ask -T "$B/$1" -H 'Content-Type: application/octet-stream' "${at}digest=sha256:$1"
  }
  push() {
    local x=${1#sha256:} is=manifest docker=v2 part kind got
    if grep -q '"manifests" *:' "$B/$x"; then is=index docker=list.v2; fi
    for part in $(grep -o 'sha256:[0-9a-f]\{64\}' "$B/$x" | cut -d: -f2 | sort -u); do
      if [ ! -e "$B/$part" ]; then continue; fi
      if [ $is = index ]; then push $part sha256:$part; else blob $part; fi
    done
    kind=application/$V.docker.distribution.manifest.$docker+json
    if ! grep -qF $kind "$B/$x" || grep -qF $V.oci.image.$is.v1+json "$B/$x"; then
      kind=application/$V.oci.image.$is.v1+json
    fi
    ask -T "$B/$x" -H "Content-Type: $kind" "$TO/manifests/$2"
    got=$(ask -H "Accept: $kind" "$TO/manifests/$2" | sha256sum)
    if [ "${got%%%% *}" != $x ]; then echo "$TO has $got for $2"; return 1; fi
    echo "$TO has sha256:$x as $2"
  }
  push DIGEST TAG

Nothing on this drive is changed by reading it. The file copy/NAME is a second copy of NAME.
`
