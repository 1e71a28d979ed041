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

// command is the line of a wording; since the fourth one names may have spaces.
func (o Opening) command(text int) string {
	quote := `"`
	if text < 4 {
		quote = ""
	}
	if o.Identity == "" {
		return fmt.Sprintf("age -d %s > %sOUT/bundle.key%[2]s", o.File, quote)
	}
	key := quote + o.Identity + quote
	if strings.HasPrefix(o.Identity, "~") { // a shell expands it without quotes alone
		key = o.Identity
	}
	return fmt.Sprintf("age -d -i %s %s > %sOUT/bundle.key%[3]s", key, o.File, quote)
}

// ReadmeText is the wording of README.txt that bundles are sealed with now. Those that say
// nothing have the first one.
const ReadmeText = 6

// Readme gives the bytes of README.txt. It depends only on what a verifier
// without a key can see: the wording that the bundle was sealed with, its ID, the age
// program that it takes, such as "age 1.3 or newer", why, the ways to open its key
// files, the names of its signature files, and, since the sixth one, whether it is sparse:
// whole only together with earlier bundles. A wording that this version does not know gives nil.
func Readme(text int, bundle, age, why string, ways []Opening, signatures []string, sparse bool) []byte {
	width := 0
	for _, w := range ways {
		width = max(width, len(w.command(text)))
	}
	var lines bytes.Buffer
	for _, w := range ways {
		fmt.Fprintf(&lines, "  %-*s    # %s\n", width, w.command(text), w.Note)
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
	case 3:
		return fmt.Appendf(nil, readme3, bundle, age, why, one, lines.Bytes())
	case 4:
		return fmt.Appendf(nil, readme4, bundle, age, why, one, lines.Bytes())
	case 5, 6:
		more := signedText(signatures)
		if sparse && text == 6 {
			more = readmeSparse + more
		}
		return fmt.Appendf(nil, readme5, bundle, age, why, more, one, lines.Bytes())
	}
	return nil
}
