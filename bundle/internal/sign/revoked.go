package sign

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/satchel-airgap/satchel/oci/text"
)

// maxRevokedFile is the largest list of revoked keys that is read.
const maxRevokedFile = 8 << 20

// revokedFile is a list of revoked keys and where it is from.
type revokedFile struct {
	name string
	*revoked
}

// Revoke reads lists of keys whose signatures never count, as ssh-keygen -Y verify -r takes them:
// key revocation lists of ssh-keygen -k, and files of public keys, one a line. The error is a
// *[TrustFileError].
func (t *Trust) Revoke(files []string) error {
	for _, name := range files {
		r, err := readRevoked(name)
		if err != nil {
			return err
		}
		t.revoked = append(t.revoked, revokedFile{name, r})
	}
	return nil
}

// RevokedBy names the list that has the key of a signature, "" for none.
func (t *Trust) RevokedBy(sig Signature) string {
	parsed, err := parse(sig.Body)
	if t == nil || err != nil {
		return ""
	}
	return t.revokedBy(parsed.PublicKey)
}

// revokedBy is RevokedBy for the key itself, "" for none.
func (t *Trust) revokedBy(pub ssh.PublicKey) string {
	for _, f := range t.revoked {
		if f.has(pub) {
			return text.Printable(f.name)
		}
	}
	return ""
}

func readRevoked(file string) (*revoked, error) {
	fail := func(line int, err error) (*revoked, error) {
		return nil, &TrustFileError{File: file, Line: line, Err: err, Revoked: true}
	}
	f, err := os.Open(file)
	if err != nil {
		return fail(0, err)
	}
	body, err := io.ReadAll(io.LimitReader(f, maxRevokedFile+1))
	if err = errors.Join(err, f.Close()); err == nil && len(body) > maxRevokedFile {
		err = fmt.Errorf("it is larger than %d bytes", maxRevokedFile)
	}
	if err != nil {
		return fail(0, err)
	}
	if bytes.HasPrefix(body, []byte(krlMagic)) {
		r, err := parseKRL(body)
		if err != nil {
			return fail(0, err)
		}
		return r, nil
	}
	r := newRevoked()
	for n, line := range strings.Split(string(body), "\n") {
		line = strings.Trim(line, white+"\r")
		if line == "" || line[0] == '#' {
			continue
		}
		blob, err := parseRevoked(line)
		if err != nil {
			return fail(n+1, err)
		}
		r.keys[string(blob)] = true
	}
	return r, nil
}

// parseRevoked reads TYPE KEY [COMMENT]. Of a certificate it gives the key that it is for.
func parseRevoked(line string) ([]byte, error) {
	word, rest := cutWord(line)
	if !isKeyType(word) {
		return nil, fmt.Errorf("%s is not the type of a public key", quoted(word))
	}
	blob, _ := cutWord(rest)
	b, err := base64.StdEncoding.Strict().DecodeString(blob)
	if err != nil {
		return nil, errors.New("its key is not valid base64")
	}
	pub, err := ssh.ParsePublicKey(b)
	if err != nil || pub.Type() != word {
		return nil, fmt.Errorf("its key is not a valid one of %s", quoted(word))
	}
	if cert, ok := pub.(*ssh.Certificate); ok {
		pub = cert.Key
	}
	return pub.Marshal(), nil
}
