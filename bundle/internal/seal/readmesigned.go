package seal

import (
	"bytes"
	"fmt"
)

// readmeSigned is what the fifth wording says of a bundle that is signed, after it has been
// said how to go into its directory.
const readmeSigned = `The bundle is signed. Who signed it is found out with satchel:

  satchel verify --trust "SIGNERS" "DIR"

or with ssh-keygen of OpenSSH 8.2 or newer. SIGNERS is a file (it begins with / too) with a line for
each person whom you trust: a name and the public key, as ssh-keygen(1) describes "allowed signers".
WHO is one of these names. Each line prints "Good" if WHO has signed the file at its end:

%s
Use the bundle only if bundle.json is signed by somebody whom you trust. This checks that the other
files are those that bundle.json names. The last line printed must say "right":

  (
    trap 'test $? = 0 || echo "FAILED: see above"' EXIT
    set -e -o pipefail
    for f in drive.json index.age; do
      if ! grep -q "$(sha256sum < $f | cut -c1-64)" bundle.json; then echo "$f is another one"; exit 1; fi
    done
    sed -n '/"name"/{N;N;s/.*"name": "\(.*\)",.*"sha256": "\(.*\)".*/\2  \1/p}' drive.json | sha256sum --quiet -c
    if [ $(ls s-*.age | wc -l) != $(grep -c '"name"' drive.json) ]; then echo "a segment is extra"; exit 1; fi
    echo "right"
  )

`

// signedText is the part of README.txt about signature files, "" if there are none.
func signedText(text string, signatures []string) string {
	var lines bytes.Buffer
	for _, name := range signatures {
		of, _, _ := ParseSignature(name)
		namespace := "satchel-bundle"
		if of == DriveName {
			namespace = "satchel-drive"
		}
		fmt.Fprintf(&lines, "  ssh-keygen -Y verify -f \"SIGNERS\" -I \"WHO\" -n %s -s %s < %s\n", namespace, name, of)
	}
	if lines.Len() == 0 {
		return ""
	}
	return fmt.Sprintf(text, lines.Bytes())
}
