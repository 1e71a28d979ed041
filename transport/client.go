package transport

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distribution/reference"
	"go.podman.io/image/v5/pkg/docker/config"
	"golang.org/x/time/rate"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/hostfile"
	"github.com/satchel-airgap/satchel/transport/internal/limit"
	"github.com/satchel-airgap/satchel/transport/internal/login"
	"github.com/satchel-airgap/satchel/transport/internal/proxy"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

// stallTimeout is how long a transfer may stand still before its connection
// counts as broken.
const stallTimeout = time.Minute

// lookForLeast is the least time that stores which are consistent later get.
const lookForLeast = 4 * time.Second

// Config is what is configured on the host for one side, source or mirror.
type Config struct {
	Authfile       string // a file; empty: the usual locations in the order of containers-auth.json(5), REGISTRY_AUTH_FILE included
	Credentials    []byte // the content of such a file, in place of Authfile; nil: Authfile
	TLSVerify      bool   // false: certificates are not checked, and plain HTTP is used with a host that does not speak TLS
	TLSStrict      bool   // TLSVerify was asked for: registries.conf does not loosen it
	CertDir        string // certificates for every registry; empty: a directory for each in the usual certs.d
	CAFile         string // a file of more authorities, PEM, for every registry
	RegistriesConf string // a file, and FILE.d next to it; empty: the usual locations, CONTAINERS_REGISTRIES_CONF included
	Push           bool   // the mirror's side: of registries.conf, only blocked and insecure count, as in podman push

	RetryTimes int           // tries after the first
	RetryDelay time.Duration // between tries; 0: from 1 s doubling up to 60 s, and an outage of a minute is waited for
	LimitRate  int64         // bytes a second over all connections, both directions together; 0 is no limit

	UserAgent string                                          // empty: the HTTP library's own
	Trace     func(method, url string, status int, err error) // called for every request when it is answered, without queries; may be nil
	Waiting   func(host string, why string, d time.Duration)  // called now and then: the host is tried again after d; may be nil
}

// Client is one side's view of its registries. It is safe for concurrent use.
type Client struct {
	cfg          Config
	retry        retry.Policy
	stall        time.Duration         // of a transfer, and half of what an answer may take
	slow         time.Duration         // what the answer to an upload may take
	lookFor      time.Duration         // how long what was pushed is looked for at least, however few tries there are
	cancelling   time.Duration         // what removing something may take
	undeleting   atomic.Bool           // a request to remove something once took longer
	limit        *rate.Limiter         // may be nil
	proxies      func() *proxy.Proxies // of the environment, read once
	credentials  *hostfile.Credentials
	certificates *hostfile.Certificates

	mu        sync.Mutex
	logins    map[loginKey]*login.Authorizer
	repos     map[string]*Repository      // by the name that was asked for
	locations map[locationKey]*Repository // by where they really are
	endpoints map[endpointKey]*endpoint
	gates     map[string]*retry.Gate // by host[:port]
}

// NewClient makes a client. Nothing is read or sent before it is asked for a
// repository.
func NewClient(cfg Config) *Client {
	credentials := hostfile.NewCredentials(cfg.Authfile)
	if cfg.Credentials != nil {
		credentials = hostfile.GivenCredentials(cfg.Credentials)
	}
	return &Client{
		cfg:          cfg,
		retry:        retry.New(cfg.RetryTimes, cfg.RetryDelay),
		stall:        stallTimeout,
		slow:         answerTimeout,
		lookFor:      lookForLeast,
		cancelling:   cancelTimeout,
		limit:        limit.New(cfg.LimitRate),
		logins:       map[loginKey]*login.Authorizer{},
		repos:        map[string]*Repository{},
		locations:    map[locationKey]*Repository{},
		endpoints:    map[endpointKey]*endpoint{},
		gates:        map[string]*retry.Gate{},
		proxies:      sync.OnceValue(proxy.Environment),
		credentials:  credentials,
		certificates: hostfile.NewCertificates(cfg.CertDir, cfg.CAFile, ""),
	}
}

// Close closes the connections that are idle. The client stays usable.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.endpoints {
		s.http.CloseIdleConnections()
	}
}

// Repository gives the repository that ref names; its tag and digest do not
// matter. What registries.conf says of it is followed: what is read from it may
// come from another place. The error is an *[AuthfileError], a *[ConfigError],
// a *[BlockedError] where it is to be pushed to, or says that the name is malformed.
func (c *Client) Repository(ref oci.Ref) (*Repository, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ref = ref.Repo()
	if r := c.repos[ref.Name()]; r != nil {
		return r, nil
	}
	r, err := c.configured(ref)
	if err != nil {
		return nil, err
	}
	c.repos[ref.Name()] = r
	return r, nil
}

// locationKey names a repository as requests reach it.
type locationKey struct {
	name     string
	insecure bool
	blocked  bool
}

// at gives the repository that really is at ref. blocked, if not nil, is the
// answer to all that is asked of it. The caller holds c.mu.
func (c *Client) at(ref oci.Ref, insecure bool, blocked *BlockedError) (*Repository, error) {
	insecure = !c.cfg.TLSVerify || insecure && !c.cfg.TLSStrict
	key := locationKey{ref.Name(), insecure, blocked != nil}
	if r := c.locations[key]; r != nil {
		return r, nil
	}
	location := registry.Reference{Registry: ref.Registry, Repository: ref.Repository}
	if err := location.Validate(); err != nil {
		return nil, fmt.Errorf("repository %q: %w", ref.Name(), err)
	}
	cred, err := c.credential(ref)
	if err != nil {
		return nil, err
	}
	s, err := c.endpoint(endpointKey{ref.Registry, insecure})
	if err != nil {
		return nil, err
	}
	d := &sender{client: c, endpoint: s, auth: c.login(loginKey{location.Host(), cred, s}), blocked: blocked}
	r := &Repository{
		ref:      ref,
		named:    ref,
		location: location,
		sender:   d,
		// Its URLs say https; the sender knows the host's scheme.
		remote: &remote.Repository{Client: d, Reference: location, ManifestMediaTypes: oci.ManifestMediaTypes(), SkipReferrersGC: true},
	}
	c.locations[key] = r
	return r, nil
}

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

// plainHTTP reports whether a registry, HOST[:PORT], has answered without TLS so far.
func (c *Client) plainHTTP(registry string) bool {
	c.mu.Lock()
	s := c.endpoints[endpointKey{registry, true}]
	c.mu.Unlock()
	if s == nil {
		return false
	}
	s.busy <- struct{}{}
	defer func() { <-s.busy }()
	return s.scheme == "http"
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
