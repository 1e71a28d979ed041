package sign

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/satchel-airgap/satchel/oci/text"
)

// maxTrustFile is the largest file of allowed signers that is read.
const maxTrustFile = 1 << 20

const white = " \t"

// entry is a line of a file of allowed signers: who may sign what, when, with which key.
type entry struct {
	who        string // as it is written
	principals list
	options    options
	pub        ssh.PublicKey
}

// readAllowed reads a file of allowed signers (ssh-keygen(1)). Whatever this package does not
// understand is an error: left out, it could let somebody sign who may not.
func readAllowed(file string) ([]entry, error) {
	fail := func(line int, err error) ([]entry, error) {
		return nil, &TrustFileError{File: file, Line: line, Err: err}
	}
	f, err := os.Open(file)
	if err != nil {
		return fail(0, err)
	}
	body, err := io.ReadAll(io.LimitReader(f, maxTrustFile+1))
	if err = errors.Join(err, f.Close()); err == nil && len(body) > maxTrustFile {
		err = fmt.Errorf("it is larger than %d bytes", maxTrustFile)
	}
	if err != nil {
		return fail(0, err)
	}
	var entries []entry
	for n, line := range strings.Split(string(body), "\n") {
		line = strings.Trim(line, white+"\r")
		if line == "" || line[0] == '#' {
			continue
		}
		e, err := parseEntry(line)
		if err != nil {
			return fail(n+1, err)
		}
		entries = append(entries, e)
	}
	if len(entries) == 0 {
		return fail(0, errors.New("it names no signer"))
	}
	return entries, nil
}

// parseEntry reads PRINCIPALS [OPTIONS] TYPE KEY [COMMENT].
func parseEntry(line string) (e entry, err error) {
	if strings.ContainsRune(line, 0) {
		return e, errors.New("it has a zero byte")
	}
	who, rest, err := cutPrincipals(line)
	if err != nil {
		return e, err
	}
	var ok bool
	if e.principals, ok = parseList(who); !ok || strings.ContainsAny(who, "\"\\") {
		return e, fmt.Errorf("principals %s: they are a list like alice@example.com,*@ops.example.com,!bob@ops.example.com", quoted(who))
	}
	if len(e.principals.open()) == 0 {
		return e, fmt.Errorf("principals %s: nobody is meant by them", quoted(who))
	}
	e.who = text.Printable(who)
	if word, _ := cutWord(rest); !isKeyType(word) {
		var opts string
		if opts, rest, err = cutOptions(rest); err == nil {
			e.options, err = parseOptions(opts)
		}
		if err != nil {
			return e, err
		}
	}
	e.pub, err = parsePublic(rest)
	return e, err
}

// cutPrincipals cuts off the first field, which may stand in double quotes.
func cutPrincipals(line string) (who, rest string, err error) {
	if quote, ok := strings.CutPrefix(line, `"`); ok {
		if who, rest, ok = strings.Cut(quote, `"`); !ok {
			return "", "", errors.New("the principals have no closing quote")
		}
		if rest != "" && !strings.ContainsRune(white, rune(rest[0])) {
			return "", "", errors.New("a space is missing behind the principals")
		}
	} else {
		who, rest = cutWord(line)
	}
	rest = strings.TrimLeft(rest, white)
	if rest == "" {
		return "", "", errors.New("it has no key")
	}
	return who, rest, nil
}

func cutWord(s string) (word, rest string) {
	if i := strings.IndexAny(s, white); i >= 0 {
		return s[:i], strings.TrimLeft(s[i:], white)
	}
	return s, ""
}

// isKeyType reports whether a word is the type of a key, of any sort; no option begins so.
func isKeyType(word string) bool {
	for _, prefix := range []string{"ssh-", "ecdsa-", "sk-", "rsa-", "webauthn-"} {
		if strings.HasPrefix(word, prefix) {
			return true
		}
	}
	return false
}

func parsePublic(s string) (ssh.PublicKey, error) {
	word, rest := cutWord(s)
	if word == "" {
		return nil, errors.New("it has no key")
	}
	if word != ssh.KeyAlgoED25519 {
		return nil, fmt.Errorf("a key of type %s is not supported, only %s", quoted(word), ssh.KeyAlgoED25519)
	}
	blob, _ := cutWord(rest)
	b, err := base64.StdEncoding.Strict().DecodeString(blob)
	if err != nil {
		return nil, errors.New("its key is not valid base64")
	}
	pub, err := ssh.ParsePublicKey(b)
	if err != nil || pub.Type() != word {
		return nil, errors.New("its key is not a valid one of ssh-ed25519")
	}
	return pub, nil
}

// quoted shows a text of a file, cut where it is long.
func quoted(s string) string {
	const most = 60
	if len(s) > most {
		s = s[:most] + "..."
	}
	return `"` + text.Printable(s) + `"`
}
