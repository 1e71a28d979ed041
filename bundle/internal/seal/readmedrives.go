package seal

import (
	"bytes"
	"fmt"
	"strings"
)

// readmeDrives is the seventh wording: of a drive of a bundle that is on several.
const readmeDrives = `This is drive %[1]d of %[2]d of bundle %[3]s, written by satchel: the drive that is labelled
%[4]s. The bundle holds container images for a network without internet, encrypted. Each
drive has a directory like this one, with drive.json, extras.json, key-1.age, s-00-00001.age and
more like these, SHA256SUMS, and the directory copy with second copies of the small files. The last
drive, %[5]s, has index.age and bundle.json too.

Replace the words in capitals: DIR is the directory of a drive, OUT a directory elsewhere that has
room for the whole content, KEY your key file (all three begin with /), HOST the registry with its
port, such as mirror.example:8443. Leave the quotes where they are: names may have spaces.

With satchel. It takes the drives together, one DIR each, or one after another, and asks for them by
their labels; the last one, %[5]s, comes first:

  satchel verify "DIR"                               # is every byte here? It needs no key
  satchel inspect -i "KEY" "DIR"                     # what is in it? DIR is of the last drive
  satchel unpack -i "KEY" --to HOST/NAMESPACE "DIR"  # push it into a registry

Without satchel you need bash, sha256sum, %[6]s (%[7]s), zstd and tar. Paste
each group of lines into bash. First, go into this directory:

  cd "DIR"
  mkdir -p "OUT"

`

const readmeDrivesOpen = `Get the bundle's own key, with %[1]s. It is the same on every drive:

%[2]s
Check and open this drive. The last line printed must say "complete":

  (
    trap 'test $? = 0 || echo "FAILED: see above"' EXIT
    set -e -o pipefail
    sha256sum --quiet -c SHA256SUMS
    mkdir -p "OUT/layout"
    for f in s-*.age; do age -d -i "OUT/bundle.key" "$f"; done | zstd -d | tar -x -C "OUT/layout"
    echo "complete: drive %[3]d of %[4]d"
  )

Do not leave out sha256sum: tar does not notice if the last files of a drive are missing. Go into the
directory of each of the %[4]d drives, in any order, and paste these lines there too, with the same OUT. When
each drive was complete, delete the key:

  rm "OUT/bundle.key"

`

// readmeSignedDrive is what the seventh wording says of a drive that is signed and has no
// bundle.json.
const readmeSignedDrive = `The drive is signed. Who signed it is found out with satchel:

  satchel verify --trust "SIGNERS" "DIR"

or with ssh-keygen of OpenSSH 8.2 or newer. SIGNERS is a file (it begins with / too) with a line for
each person whom you trust: a name and the public key, as ssh-keygen(1) describes "allowed signers".
WHO is one of these names. Each line prints "Good" if WHO has signed drive.json:

%s
Use the drive only if somebody whom you trust has signed it. This checks that the segments are those
that drive.json names. The last line printed must say "right":

  (
    trap 'test $? = 0 || echo "FAILED: see above"' EXIT
    set -e -o pipefail
    sed -n '/"name"/{N;N;s/.*"name": "\(.*\)",.*"sha256": "\(.*\)".*/\2  \1/p}' drive.json | sha256sum --quiet -c
    if [ $(ls s-*.age | wc -l) != $(grep -c '"name"' drive.json) ]; then echo "a segment is extra"; exit 1; fi
    echo "right"
  )

`

// ofDrive writes the seventh wording. lines are the ways to get the bundle's key, and one says
// how many of them are needed.
func (a About) ofDrive(one string, lines []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, readmeDrives, a.Drive, a.Of, a.Bundle, Label(a.Bundle, a.Drive), Label(a.Bundle, a.Of), a.Age, a.Why)
	b.WriteString(a.notAlone())
	signed := readmeSigned
	if a.Drive < a.Of {
		signed = readmeSignedDrive
	}
	b.WriteString(signedText(signed, a.Signatures))
	fmt.Fprintf(&b, readmeDrivesOpen, one, lines, a.Drive, a.Of)
	b.WriteString(strings.ReplaceAll(readmePush, "%%", "%")) // it is part of formats, too
	return b.Bytes()
}
