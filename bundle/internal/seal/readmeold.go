package seal

// readme begins the first and the second wording. What is here never changes: bundles have it.
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
