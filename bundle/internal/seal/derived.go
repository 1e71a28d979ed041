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

// The wordings of README.txt that bundles are sealed with now: of one drive, and of several.
// Bundles that say nothing have the first one.
const (
	ReadmeText   = 6
	ReadmeDrives = 7
)

// About is what README.txt depends on, all of which a verifier without a key can see.
type About struct {
	Bundle     string // its ID
	Age, Why   string // the age program that it takes, such as "age 1.3 or newer", and why
	Ways       []Opening
	Signatures []string // the names of the signature files
	Sparse     bool     // it is whole only together with earlier bundles
	Damaged    string   // ID of the damaged bundle that it supplements, "" for none
	Plain      bool     // it is not encrypted: no age, no ways
	Drive, Of  int      // which drive of how many it is, with the seventh wording
}

// Readme gives the bytes of README.txt in the wording that the bundle was sealed with. One
// that this version does not know gives nil.
func (a About) Readme(text int) []byte {
	if a.Plain && text <= ReadmeDrives {
		return a.plain(text)
	}
	width := 0
	for _, w := range a.Ways {
		width = max(width, len(w.command(text)))
	}
	var lines bytes.Buffer
	for _, w := range a.Ways {
		fmt.Fprintf(&lines, "  %-*s    # %s\n", width, w.command(text), w.Note)
	}
	one := "this line"
	if len(a.Ways) > 1 {
		one = "one of these lines"
	}
	switch text {
	case 0, 1:
		return fmt.Appendf(nil, readme+readmeAfter1, a.Bundle, a.Age, a.Why, one, lines.Bytes())
	case 2:
		return fmt.Appendf(nil, readme+readmeAfter2, a.Bundle, a.Age, a.Why, one, lines.Bytes())
	case 3:
		return fmt.Appendf(nil, readme3, a.Bundle, a.Age, a.Why, one, lines.Bytes())
	case 4:
		return fmt.Appendf(nil, readme4, a.Bundle, a.Age, a.Why, one, lines.Bytes())
	case 5, 6:
		more := signedText(readmeSigned, a.Signatures)
		if text == 6 {
			more = a.notAlone() + more
		}
		return fmt.Appendf(nil, readme5, a.Bundle, a.Age, a.Why, more, one, lines.Bytes())
	case ReadmeDrives:
		return a.ofDrive(one, lines.Bytes())
	}
	return nil
}
