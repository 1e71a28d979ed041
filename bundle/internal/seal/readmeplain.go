package seal

import (
	"bytes"
	"fmt"
	"strings"
)

// readmePlain is the sixth wording for a bundle that is not encrypted. What it says of signatures, and
// of what a sparse bundle lacks, stands between its two parts.
const readmePlain = readmePlainBegin + "%s" + readmePlainOpen + readmeLayout

const readmePlainBegin = `This directory is bundle %s, written by satchel. It holds container images for
a network without internet. IT IS NOT ENCRYPTED: who has this directory can read all that it holds.
It has bundle.json, drive.json, extras.json, index.zst, s-00-00001.zst and more like these,
SHA256SUMS, and the directory copy with second copies of the small files. If bundle.json is missing,
the bundle is not complete.

Replace the words in capitals: DIR is this directory, OUT a directory elsewhere that has room for
the whole content (both begin with /), HOST the registry with its port, such as mirror.example:8443.
Leave the quotes where they are: names may have spaces.

With satchel:

  satchel verify "DIR"                                            # is every byte here?
  satchel inspect --allow-unencrypted "DIR"                       # what is in it?
  satchel unpack --allow-unencrypted --to HOST/NAMESPACE "DIR"    # push it into a registry

Without satchel you need bash, sha256sum, zstd and tar. Paste each group of lines into bash. First,
go into this directory:

  cd "DIR"
  mkdir -p "OUT"

`

const readmePlainOpen = `Check and open the bundle. The last line printed must say "complete":

  (
    trap 'test $? = 0 || echo "FAILED: see above"' EXIT
    set -e -o pipefail
    sha256sum --quiet -c SHA256SUMS
    mkdir -p "OUT/layout"
    for f in s-*.zst; do cat "$f"; done | zstd -d | tar -x -C "OUT/layout"
    echo "complete: OUT/layout"
  )

`

// readmePlainDrives is the seventh wording for a bundle that is not encrypted.
const readmePlainDrives = `This is drive %[1]d of %[2]d of bundle %[3]s, written by satchel: the drive that is labelled
%[4]s. The bundle holds container images for a network without internet. IT IS NOT ENCRYPTED:
who has the drive can read all that it holds. Each drive has a directory like this one, with
drive.json, extras.json, s-00-00001.zst and more like these, SHA256SUMS, and the directory copy with
second copies of the small files. The last drive, %[5]s, has index.zst and bundle.json too.

Replace the words in capitals: DIR is the directory of a drive, OUT a directory elsewhere that has
room for the whole content (both begin with /), HOST the registry with its port, such as
mirror.example:8443. Leave the quotes where they are: names may have spaces.

With satchel. It takes the drives together, one DIR each, or one after another, and asks for them by
their labels; the last one, %[5]s, comes first:

  satchel verify "DIR"                                          # is every byte here?
  satchel inspect --allow-unencrypted "DIR"                     # what is in it? DIR is of the last drive
  satchel unpack --allow-unencrypted --to HOST/NAMESPACE "DIR"  # push it into a registry

Without satchel you need bash, sha256sum, zstd and tar. Paste each group of lines into bash. First,
go into this directory:

  cd "DIR"
  mkdir -p "OUT"

`

const readmePlainDrivesOpen = `Check and open this drive. The last line printed must say "complete":

  (
    trap 'test $? = 0 || echo "FAILED: see above"' EXIT
    set -e -o pipefail
    sha256sum --quiet -c SHA256SUMS
    mkdir -p "OUT/layout"
    for f in s-*.zst; do cat "$f"; done | zstd -d | tar -x -C "OUT/layout"
    echo "complete: drive %[1]d of %[2]d"
  )

Do not leave out sha256sum: tar does not notice if the last files of a drive are missing. Go into the
directory of each of the %[2]d drives, in any order, and paste these lines there too, with the same OUT.

`

// plain writes README.txt of a bundle that is not encrypted, in the sixth or the seventh wording.
func (a About) plain(text int) []byte {
	more, signed := a.notAlone(), readmeSigned
	if text == ReadmeDrives && a.Drive < a.Of {
		signed = readmeSignedDrive
	}
	more += strings.NewReplacer(IndexName, PlainIndex, "s-*.age", "s-*.zst").Replace(signedText(signed, a.Signatures))
	if text != ReadmeDrives {
		return fmt.Appendf(nil, readmePlain, a.Bundle, more)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, readmePlainDrives, a.Drive, a.Of, a.Bundle, Label(a.Bundle, a.Drive), Label(a.Bundle, a.Of))
	b.WriteString(more)
	fmt.Fprintf(&b, readmePlainDrivesOpen, a.Drive, a.Of)
	b.WriteString(strings.ReplaceAll(readmePush, "%%", "%")) // it is part of formats, too
	return b.Bytes()
}
