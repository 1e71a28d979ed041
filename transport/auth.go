package transport

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/distribution/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"oras.land/oras-go/v2/registry/remote/auth"

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

// login is one credential at one host. Each has a token cache of its own.
type login struct {
	host     string // as in the URL
	cred     auth.Credential
	endpoint *endpoint
}

// authfile is the one file that credentials are in; "" is the usual locations.
// containers/image leaves the variable to its callers.
func (c *Client) authfile() string { return cmp.Or(c.cfg.Authfile, os.Getenv("REGISTRY_AUTH_FILE")) }

// credential looks up what is configured for the repository, or for the longest
// part of its name (containers-auth.json(5)).
func (c *Client) credential(ref oci.Ref) (auth.Credential, error) {
	named, err := reference.ParseNamed(ref.Name())
	if err != nil {
		return auth.EmptyCredential, fmt.Errorf("repository %q: %w", ref.Name(), err)
	}
	path := c.authfile()
	if path != "" {
		if err := checkAuthfile(path); err != nil {
			return auth.EmptyCredential, err
		}
	}
	found, err := config.GetCredentialsForRef(c.system(), named)
	if err != nil {
		return auth.EmptyCredential, &AuthfileError{Path: path, Err: err}
	}
	if found.IdentityToken != "" {
		return auth.Credential{RefreshToken: found.IdentityToken}, nil
	}
	return auth.Credential{Username: found.Username, Password: found.Password}, nil
}

// checkAuthfile looks whether a file can be read as credentials: containers/image takes a
// missing file for an empty one, and reports others in the words of a Go program.
func checkAuthfile(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return &AuthfileError{Path: path, Err: systemCause(err)}
	}
	var file struct {
		Auths   map[string]struct{} `json:"auths"`
		Helpers map[string]string   `json:"credHelpers"`
	}
	switch err := json.Unmarshal(data, &file); {
	case err != nil && !json.Valid(data):
		return &AuthfileError{Path: path, Err: errNotJSON}
	case err != nil:
		return &AuthfileError{Path: path, Err: errNoAuthfile}
	}
	return nil
}

var (
	errNotJSON    = errors.New("it is not valid JSON")
	errNoAuthfile = errors.New("it has not the form of a credentials file: auths must be an object with one object for each registry")
)

// systemCause is an error of the system without the path, which the caller names.
func systemCause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// authClient gives the one client of a login. The caller holds c.mu.
func (c *Client) authClient(l login) *auth.Client {
	a := c.auths[l]
	if a == nil {
		a = &auth.Client{
			Client: l.endpoint.http,
			Cache:  auth.NewCache(),
			Credential: func(_ context.Context, hostport string) (auth.Credential, error) {
				if hostport != l.host {
					return auth.EmptyCredential, nil
				}
				return l.cred, nil
			},
			BlockedRealmPrefixes: blockedRealms(l.host),
		}
		if c.cfg.UserAgent != "" {
			a.SetUserAgent(c.cfg.UserAgent)
		}
		c.auths[l] = a
	}
	return a
}

// blockedRealms lists the addresses that the host must not name as its token
// service: the library's list, which keeps a registry from aiming us at
// services of this machine. A registry that is itself reached by a loopback
// address (an ssh tunnel) may name another one; a host name that merely
// resolves to one may not.
func blockedRealms(hostport string) []netip.Prefix {
	blocked := auth.DefaultBlockedRealmPrefixes()
	if !isLoopback(hostport) {
		return blocked
	}
	return slices.DeleteFunc(blocked, func(p netip.Prefix) bool { return p.Addr().IsLoopback() })
}

func isLoopback(hostport string) bool {
	name, _, err := net.SplitHostPort(hostport)
	if err != nil {
		name = hostport
	}
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}
