package seal

// The fourth wording and those after it: names of directories may have spaces. Between the two
// parts the fifth one says how a bundle is signed, and the sixth one before that what a sparse
// bundle lacks.
const (
	readme4 = readmeBegin + readmeOpen + readmeLayout
	readme5 = readmeBegin + "%s" + readmeOpen + readmeLayout
)

const readmeBegin = `This directory is bundle %s, written by satchel. It holds container images for
a network without internet, encrypted. It has bundle.json, drive.json, extras.json, index.age,
key-1.age, s-00-00001.age and more like these, SHA256SUMS, and the directory copy with second
copies of the small files. If bundle.json is missing, the bundle is not complete.

Replace the words in capitals: DIR is this directory, OUT a directory elsewhere that has room for
the whole content, KEY your key file (all three begin with /), HOST the registry with its port,
such as mirror.example:8443. Leave the quotes where they are: names may have spaces.

With satchel:

  satchel verify "DIR"                               # is every byte here? It needs no key
  satchel inspect -i "KEY" "DIR"                     # what is in it?
  satchel unpack -i "KEY" --to HOST/NAMESPACE "DIR"  # push it into a registry

Without satchel you need bash, sha256sum, %s (%s), zstd and tar. Paste
each group of lines into bash. First, go into this directory:

  cd "DIR"
  mkdir -p "OUT"

`

const readmeOpen = `Get the bundle's own key, with %s:

%s
Check and open the bundle. The last line printed must say "complete":

  (
    trap 'test $? = 0 || echo "FAILED: see above"' EXIT
    set -e -o pipefail
    sha256sum --quiet -c SHA256SUMS
    mkdir -p "OUT/layout"
    for f in s-*.age; do age -d -i "OUT/bundle.key" "$f"; done | zstd -d | tar -x -C "OUT/layout"
    rm "OUT/bundle.key"
    echo "complete: OUT/layout"
  )

`

// readmeLayout is what becomes of the content, in all wordings since the fourth one.
const readmeLayout = `Do not leave out sha256sum: tar does not notice if the last files of a bundle are missing.

` + readmePush

// readmePush is how images get from the layout into a registry.
const readmePush = `OUT/layout is then an OCI image layout. This lists the DIGEST and the NAME of every image:

  grep -o '"\(digest\|[a-z.]*ref.name\)":"[^"]*' "OUT/layout/index.json" | cut -d'"' -f4 | paste - -

A NAME without a slash is no image. cluster-yaml, for example, is the YAML for the cluster: the
file OUT/layout/blobs/sha256/DIGEST, without "sha256:" in it, lists its files by title and digest.

There are two ways to push images into a registry. Both keep all digests. Neither pushes what is
attached to an image, such as signatures.

1. With skopeo 1.19 or newer (an older one finds no Docker images in a layout). If the registry
has a password, run skopeo login HOST first. If it has a certificate authority of its own, put the
authority's certificate as ca.crt into a directory CERTS, and add --cert-dir "CERTS" to skopeo login
and --dest-cert-dir "CERTS" to skopeo copy.

  skopeo copy --all --preserve-digests "oci:OUT/layout:NAME" docker://HOST/PATH:TAG

2. With bash and curl, also for what skopeo refuses: an index within an index, an index of which
some platforms are not in the bundle. With an editor, write the file OUT/curl.conf. It has the
password and the certificate authority, and is empty for a registry that has neither:

  user = "USER:PASSWORD"
  cacert = "FILE"

Repeat the line "push DIGEST PATH TAG" for each image. For each, a line that the registry has it
must be printed. Delete OUT/curl.conf at the end.

  (
    trap 'test $? = 0 || echo "FAILED: see above"' EXIT
    set -e -o pipefail
    A=sha256; B="OUT/layout/blobs/$A"; V=vnd
    web() { curl -sS -K "OUT/curl.conf" "$@"; }
    login=$(web -o /dev/null -D - https://HOST/v2/ | tr -d '\r' | grep -i '^www-.*: *bearer ' || :)
    of() { sed -n "s/.*[ ,]$1=\"\([^\"]*\)\".*/\1/Ip" <<< "$login"; }
    realm=$(of realm); service=$(of service)
    ask() {
      local t=
      if [ "$realm" ]; then
        t=$(web -f -G "$realm" -d "service=${service// /%%20}" -d "scope=repository:$P:pull,push")
        t=$(grep -o 'token" *: *"[^"]\+' <<< "$t" | sed -n '1s/.*"//p')
      fi
      web -f ${t:+-H "Authorization: Bearer $t"} "$@"
    }
    blob() {
      local at
      at=$(ask -d '' -D - "$TO/blobs/uploads/" | tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
      case $at in /*) at=https://HOST$at;; esac
      case $at in *\?*) at=$at\&;; *) at=$at\?;; esac
      ask -T "$B/$1" -H 'Content-Type: application/octet-stream' "${at}digest=sha256:$1"
    }
    push() {
      local x=${1#sha256:} is=manifest docker=v2 part kind got
      P=$2; TO=https://HOST/v2/$P
      if grep -q '"manifests" *:' "$B/$x"; then is=index docker=list.v2; fi
      for part in $(grep -o 'sha256:[0-9a-f]\{64\}' "$B/$x" | cut -d: -f2 | sort -u); do
        if [ ! -e "$B/$part" ]; then continue; fi
        if [ $is = index ]; then push $part "$P" sha256:$part; else blob $part; fi
      done
      kind=application/$V.docker.distribution.manifest.$docker+json
      if ! grep -qF $kind "$B/$x" || grep -qF $V.oci.image.$is.v1+json "$B/$x"; then
        kind=application/$V.oci.image.$is.v1+json
      fi
      ask -T "$B/$x" -H "Content-Type: $kind" "$TO/manifests/$3"
      got=$(ask -H "Accept: $kind" "$TO/manifests/$3" | sha256sum)
      if [ "${got%%%% *}" != $x ]; then echo "$TO has $got for $3"; return 1; fi
      echo "HOST/$P has sha256:$x as $3"
    }
    push DIGEST PATH TAG
  )

Nothing on this drive is changed by reading it. The file copy/NAME is a second copy of NAME.
`
