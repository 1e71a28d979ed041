package sign

import (
	"errors"
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// SignerError says why a key cannot sign.
type SignerError struct {
	File string // of the key
	Err  error

	// Input: the file that was named is not a key that can sign. Else the key could not be
	// used: a wrong passphrase, nobody to ask for one, an agent without it.
	Input bool
	away  bool
	hint  string
}

func (e *SignerError) Error() string {
	return fmt.Sprintf("sign with %s: %v", text.Printable(e.File), e.Err)
}

func (e *SignerError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *SignerError) Hint() string { return e.hint }

// Permanent is false where an agent may be there the next time.
func (e *SignerError) Permanent() bool { return !e.away }

const signerHint = "give the private key of an ed25519 key pair as ssh-keygen -t ed25519 makes it, or its .pub file while the private key is in ssh-agent"

// asSignerError names the key file of an error.
func asSignerError(file string, err error) error {
	var known *SignerError
	if errors.As(err, &known) {
		return err
	}
	return &SignerError{File: file, Err: err}
}

// TrustFileError says which line of a file of allowed signers, or of revoked keys, is not understood.
type TrustFileError struct {
	File    string
	Line    int // 0: the file as a whole
	Err     error
	Revoked bool // it is a list of revoked keys
}

func (e *TrustFileError) Error() string {
	what := "allowed signers"
	if e.Revoked {
		what = "revoked keys"
	}
	if e.Line == 0 {
		return fmt.Sprintf("read %s %s: %v", what, text.Printable(e.File), e.Err)
	}
	return fmt.Sprintf("read %s %s: line %d: %v", what, text.Printable(e.File), e.Line, e.Err)
}

func (e *TrustFileError) Unwrap() error { return e.Err }

// Hint says how such a file is written.
func (e *TrustFileError) Hint() string {
	if e.Revoked {
		return "nothing counts as long as it cannot be read; it is a key revocation list of ssh-keygen -k, or a text file with a public key a line: ssh-ed25519 AAAA...; fingerprints go into a key revocation list, by a line of sha256: or hash: in the file that ssh-keygen -k reads"
	}
	return `a line is: PRINCIPAL[,PRINCIPAL...] [namespaces="satchel-*",valid-after="YYYYMMDDZ",valid-before="YYYYMMDDZ"] ssh-ed25519 AAAA...; a line of # is a comment`
}

// Permanent is true: the file stays what it is.
func (e *TrustFileError) Permanent() bool { return true }

// TrustError says that not enough of those who are trusted have signed.
type TrustError struct {
	What    string   // that was to be signed, such as "bundle k3v6q2mzt7apd4ho"; may be empty
	Want    int      // how many different signers are needed
	Signed  []Signed // who is trusted and has signed
	Refused []Refused
}

// Refused is a signature that does not count.
type Refused struct {
	File string
	Key  string // SHA256:..., "" if none made it
	Why  string
}

func (r Refused) String() string {
	if r.Key == "" {
		return fmt.Sprintf("%s: %s", r.File, r.Why)
	}
	return fmt.Sprintf("%s by %s: %s", r.File, r.Key, r.Why)
}

func (e *TrustError) Error() string {
	what := e.What
	if what == "" {
		what = "it"
	}
	if len(e.Signed) == 0 && len(e.Refused) == 0 {
		return what + " is not trusted: it is not signed"
	}
	var refused []string
	for _, r := range e.Refused {
		refused = append(refused, r.String())
	}
	if len(e.Signed) == 0 {
		return fmt.Sprintf("%s is not trusted: no signature counts: %s", what, some(refused))
	}
	var signed []string
	for _, s := range e.Signed {
		signed = append(signed, s.String())
	}
	msg := fmt.Sprintf("%s is not trusted: %d different signers are needed, and these have signed: %s", what, e.Want, some(signed))
	if Different(e.Signed) < len(e.Signed) {
		msg += " (who may be the same person counts once)"
	}
	if len(refused) > 0 {
		msg += "; these do not count: " + some(refused)
	}
	return msg
}

// some joins what has commas and colons in it.
func some(list []string) string {
	const most = 5
	shown := strings.Join(list[:min(most, len(list))], "; ")
	if n := len(list) - most; n > 0 {
		return fmt.Sprintf("%s; and %d more", shown, n)
	}
	return shown
}

// Hint says what to do now.
func (e *TrustError) Hint() string {
	return "do not use it unless you learn another way who made it; whoever may release it can add a signature, and whoever you trust needs a line among the allowed signers"
}

// Permanent is true: what is signed stays what it is.
func (e *TrustError) Permanent() bool { return true }
