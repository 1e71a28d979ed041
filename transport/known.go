package transport

import (
	"bytes"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// Login is what is configured on the host to log in to a repository.
type Login struct {
	Username, Password string
	Token              string // an identity token, instead of the two
}

// Login looks up what is configured for ref's repository, in the order of
// containers-auth.json(5); the zero value is none. The error is an
// *[AuthfileError] or says that the name is malformed.
func (c *Client) Login(ref oci.Ref) (Login, error) {
	cred, err := c.credential(ref)
	return Login{Username: cred.Username, Password: cred.Password, Token: cred.RefreshToken}, err
}

// Authorities gives the certificate authorities that are configured for a
// registry, HOST[:PORT], beside the system's: those of the --ca-file, then the
// *.crt files of its certs.d directory, by name, as PEM; nothing for none. The
// error is a *[ConfigError].
func (c *Client) Authorities(registry string) ([]byte, error) {
	var files []string
	if c.cfg.CAFile != "" {
		files = append(files, c.cfg.CAFile)
	}
	dir, err := c.certDir(registry)
	if err != nil {
		return nil, err
	}
	if dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, &ConfigError{What: "certificates", Path: dir, Err: err}
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".crt") {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	var all []byte
	var seen [][]byte
	for i, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, &ConfigError{What: "certificate authorities", Path: name, Err: err}
		}
		found := false
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			same := func(b []byte) bool { return bytes.Equal(b, block.Bytes) }
			found = found || block.Type == "CERTIFICATE"
			if block.Type == "CERTIFICATE" && !slices.ContainsFunc(seen, same) {
				seen = append(seen, block.Bytes)
				all = append(all, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
			}
		}
		if i == 0 && c.cfg.CAFile != "" && !found {
			return nil, &ConfigError{What: "certificate authorities", Path: name, Err: errors.New("it has no PEM certificate")}
		}
	}
	return all, nil
}
