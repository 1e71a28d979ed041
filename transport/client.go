package transport

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

const (
	connectTimeout = 30 * time.Second
	answerTimeout  = 5 * time.Minute // a registry hashes what was uploaded before it answers
	idleTimeout    = 90 * time.Second
	idlePerHost    = 32
	bufferSize     = 256 << 10
	maxRedirects   = 10
)

// Config is what is configured on the host for one side, source or mirror.
type Config struct {
	Authfile  string // --authfile; empty: the usual places in the order of containers-auth.json(5), REGISTRY_AUTH_FILE included
	TLSVerify bool   // false: certificates are not checked, and plain HTTP is spoken to a host that does not speak TLS
	UserAgent string // empty: the HTTP library's own
}

// Client is one side's view of its registries. It is safe for concurrent use.
type Client struct {
	cfg   Config
	http  *http.Client
	retry policy

	mu    sync.Mutex
	auths map[login]*auth.Client
	repos map[string]*Repository // by name
	hosts map[string]*host
}

// NewClient makes a client. Nothing is read or sent before it is asked for a
// repository.
func NewClient(cfg Config) *Client {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: connectTimeout}
	return &Client{
		cfg:   cfg,
		retry: defaultPolicy(),
		auths: map[login]*auth.Client{},
		repos: map[string]*Repository{},
		hosts: map[string]*host{},
		http: &http.Client{
			CheckRedirect: checkRedirect,
			Transport: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				DialContext:           dialer.DialContext,
				TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !cfg.TLSVerify},
				TLSHandshakeTimeout:   connectTimeout,
				ForceAttemptHTTP2:     true,
				MaxIdleConnsPerHost:   idlePerHost,
				IdleConnTimeout:       idleTimeout,
				ResponseHeaderTimeout: answerTimeout,
				DisableCompression:    true, // bytes must be exact
				WriteBufferSize:       bufferSize,
				ReadBufferSize:        bufferSize,
			},
		},
	}
}

// checkRedirect follows redirects, to another host too, but never from TLS to
// plain HTTP. The authenticated client drops the credential on leaving the origin.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return &redirectError{fmt.Sprintf("%s redirects from https to %s on %s", via[0].URL.Host, req.URL.Scheme, req.URL.Host)}
	}
	if len(via) >= maxRedirects {
		return &redirectError{fmt.Sprintf("%s redirects more than %d times", via[0].URL.Host, maxRedirects)}
	}
	return nil
}

// Close closes the connections that are idle. The client stays usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Repository gives the repository that ref names; its tag and digest do not
// matter. The error is an *[AuthfileError], or says that the name is malformed.
func (c *Client) Repository(ref oci.Ref) (*Repository, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ref = ref.Repo()
	if r := c.repos[ref.Name()]; r != nil {
		return r, nil
	}
	place := registry.Reference{Registry: ref.Registry, Repository: ref.Repository}
	if err := place.Validate(); err != nil {
		return nil, fmt.Errorf("repository %q: %w", ref.Name(), err)
	}
	cred, err := c.credential(ref)
	if err != nil {
		return nil, err
	}
	d := &doer{client: c, auth: c.authClient(login{place.Host(), cred})}
	r := &Repository{
		ref:   ref,
		place: place,
		doer:  d,
		// Its URLs say https; the doer knows the host's scheme.
		remote: &remote.Repository{Client: d, Reference: place, ManifestMediaTypes: oci.ManifestMediaTypes(), SkipReferrersGC: true},
	}
	c.repos[ref.Name()] = r
	return r, nil
}
