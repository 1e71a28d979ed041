package transport

import (
	"fmt"

	"github.com/distribution/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/login"
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
// registry, HOST[:PORT], in addition to the system's: those of Config.CAFile, then the
// *.crt files of its certs.d directory, by name, as PEM; nothing for none. The
// error is a *[ConfigError].
func (c *Client) Authorities(registry string) ([]byte, error) {
	all, err := c.certificates.Authorities(registry)
	return all, configError(err)
}

// loginKey is one credential at one host. Each has a token cache of its own.
type loginKey struct {
	host     string // as in the URL
	cred     auth.Credential
	endpoint *endpoint
}

// login gives the one of a key. The caller holds c.mu.
func (c *Client) login(key loginKey) *login.Authorizer {
	a := c.logins[key]
	if a == nil {
		a = login.New(&key.endpoint.login, key.host, key.cred)
		c.logins[key] = a
	}
	return a
}

// credential looks up what is configured for the repository, or for the longest
// part of its name (containers-auth.json(5)).
func (c *Client) credential(ref oci.Ref) (auth.Credential, error) {
	named, err := reference.ParseNamed(ref.Name())
	if err != nil {
		return auth.EmptyCredential, fmt.Errorf("repository %q: %w", ref.Name(), err)
	}
	sys := c.system()
	if sys.AuthFilePath, err = c.credentials.Path(); err != nil {
		return auth.EmptyCredential, &AuthfileError{Path: c.credentials.Name(), Err: err}
	}
	found, err := config.GetCredentialsForRef(sys, named)
	if err != nil {
		return auth.EmptyCredential, &AuthfileError{Path: c.credentials.Name(), Err: err}
	}
	if found.IdentityToken != "" {
		return auth.Credential{RefreshToken: found.IdentityToken}, nil
	}
	return auth.Credential{Username: found.Username, Password: found.Password}, nil
}
