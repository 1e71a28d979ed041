package transport

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/hostfile"
	"github.com/satchel-airgap/satchel/transport/internal/proxy"
)

// NodeConfig is what a node of a cluster has for pulls, and nothing of this host but the
// authorities of its system.
type NodeConfig struct {
	Registries  []byte            // registries.conf
	Credentials []byte            // the credentials file, which is the cluster's pull secret; nil: none
	Authorities map[string][]byte // more authorities, PEM, by the registry that they count for, HOST[:PORT]
	// Inside are registries, HOST[:PORT], that nodes reach after the cut. An image is never asked for at its
	// source but there.
	Inside []string
	// Named are registries that nodes ask by what objects name. They and those that registries.conf has as
	// mirrors count as reached, unless they are among Sources.
	Named []string
	// Sources are registries, HOST[:PORT], that are out of reach, also where a place redirects to one or has
	// its tokens from there: no request is sent there, nor to a host below one of them. The source of each
	// image that is asked for counts, too.
	Sources   []string
	Tries     int           // of what may go better the next time; 0: 3
	Stall     time.Duration // how long a registry may give nothing; 0: a minute
	Temp      string        // where a private directory is made; "" is the usual place
	UserAgent string
}

// Node pulls as a node of a cluster does, by the code that nodes run: containers/image. What this
// host is configured with does not count. It is safe for concurrent use.
type Node struct {
	cfg        NodeConfig
	dir        string               // registries.conf and certificates; nothing in it is secret
	rules      *types.SystemContext // the node's registries.conf
	places     *types.SystemContext // what it says of one place alone
	proxies    *proxy.Proxies
	inside     []address // that are reached
	credential *hostfile.Credentials

	mu      sync.Mutex
	sources []address
	hosts   map[string]bool // that were asked
	proxied map[string]bool // through a proxy of this host
	down    map[string]*nodeDown
	blobs   map[string]*nodeBlob
	lacks   map[string]error // places that answered that they do not have it, by what was asked for
	open    nodeSources
	tls     map[string]*tls.Config
}

// NewNode makes a node. The caller closes it. The error is a *[ConfigError] where registries.conf
// cannot be read.
func NewNode(cfg NodeConfig) (*Node, error) {
	dir, err := os.MkdirTemp(cfg.Temp, "satchel-node-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for what a node has: %w", err)
	}
	n := &Node{cfg: cfg, inside: addressesOf(cfg.Inside), dir: dir, proxies: proxy.Environment(), hosts: map[string]bool{}, proxied: map[string]bool{}, down: map[string]*nodeDown{}, blobs: map[string]*nodeBlob{}, lacks: map[string]error{}, open: nodeSources{by: map[string]*nodeSource{}}, tls: map[string]*tls.Config{}}
	if err := n.write(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.Refuse(cfg.Sources...)
	return n, nil
}

// Close ends the connections, and takes away what the node had on this host.
func (n *Node) Close() error {
	err := errors.Join(n.closeSources(), os.RemoveAll(n.dir))
	if n.credential != nil {
		err = errors.Join(err, n.credential.Close())
	}
	return err
}

// write makes the node's files.
func (n *Node) write() error {
	auth, err := n.authfile()
	if err != nil {
		return fmt.Errorf("give a node its pull secret: %w", err)
	}
	for host, pem := range n.cfg.Authorities {
		if err := n.writeAuthority(host, pem); err != nil {
			return err
		}
	}
	n.rules, n.places = n.system(auth, "registries.conf"), n.system(auth, "places.conf")
	if err := os.WriteFile(n.rules.SystemRegistriesConfPath, n.cfg.Registries, 0o600); err != nil {
		return err
	}
	list, err := sysregistriesv2.GetRegistries(n.rules)
	if err != nil {
		return &ConfigError{What: ConfigRegistries, Path: "of the nodes", Err: err}
	}
	n.reach(list)
	return os.WriteFile(n.places.SystemRegistriesConfPath, onePlace(list), 0o600)
}

// system is what containers/image is to read: the node's files, and none of this host.
func (n *Node) system(auth, registries string) *types.SystemContext {
	return &types.SystemContext{
		SystemRegistriesConfPath:    filepath.Join(n.dir, registries),
		SystemRegistriesConfDirPath: filepath.Join(n.dir, "none"),
		RegistriesDirPath:           filepath.Join(n.dir, "none"),
		UserShortNameAliasConfPath:  filepath.Join(n.dir, "aliases.conf"),
		DockerPerHostCertDirPath:    filepath.Join(n.dir, "certs.d"),
		AuthFilePath:                auth,
		DockerRegistryUserAgent:     n.cfg.UserAgent,
		OSChoice:                    "linux",
	}
}

// authfile is where the pull secret can be read: in memory, where the system has that.
func (n *Node) authfile() (string, error) {
	content := n.cfg.Credentials
	if content == nil {
		content = []byte(`{"auths":{}}`)
	}
	n.credential = hostfile.NodeCredentials(content)
	if path, err := n.credential.Path(); err == nil {
		return path, nil
	}
	path := filepath.Join(n.dir, "config.json") // the directory is this user's alone
	return path, os.WriteFile(path, n.credential.Given(), 0o600)
}

// writeAuthority writes authorities as the machine config operator does, /etc/docker/certs.d/HOST/ca.crt.
func (n *Node) writeAuthority(host string, pem []byte) error {
	if host == "" || host != filepath.Base(host) || strings.HasPrefix(host, ".") {
		return fmt.Errorf("certificate authorities are for %q, which is no registry", host)
	}
	dir := filepath.Join(n.dir, "certs.d", host)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ca.crt"), pem, 0o600)
}

// reach takes mirrors, and registries that objects name, as reached.
func (n *Node) reach(list []sysregistriesv2.Registry) {
	named := slices.Clone(n.cfg.Named)
	for _, r := range list {
		for _, m := range r.Mirrors {
			host, _, _ := strings.Cut(m.Location, "/")
			named = append(named, host)
		}
	}
	sources := addressesOf(n.cfg.Sources)
	for _, a := range addressesOf(named) {
		if !slices.ContainsFunc(sources, func(source address) bool { return source.has(a) }) {
			n.inside = append(n.inside, a)
		}
	}
}

// onePlace is a registries.conf without mirrors: what is pulled by it comes from the place that is
// named, which is blocked where it was. The most precise entry counts, so all are there.
func onePlace(list []sysregistriesv2.Registry) []byte {
	var b strings.Builder
	for _, r := range list {
		fmt.Fprintf(&b, "[[registry]]\nprefix = %s\nblocked = %t\n", strconv.Quote(r.Prefix), r.Blocked)
		if !strings.HasPrefix(r.Prefix, "*.") {
			fmt.Fprintf(&b, "location = %s\n", strconv.Quote(r.Prefix))
		}
	}
	return []byte(b.String())
}

// NodeRoute is where a node looks for an image.
type NodeRoute struct {
	Rule   string      // the prefix of the entry of registries.conf that counts; "" for none with mirrors
	Places []NodePlace // in the order in which it tries them
}

// NodePlace is one place.
type NodePlace struct {
	Ref      oci.Ref
	Insecure bool // without TLS, or without looking at certificates
	Source   bool // what the image is named by, and no mirror
}

// Route says where a node looks for an image, by registries.conf. The error is a *[ConfigError].
func (n *Node) Route(ref oci.Ref) (*NodeRoute, error) {
	named, err := nodeReference(ref)
	if err != nil {
		return nil, err
	}
	rule, err := sysregistriesv2.FindRegistry(n.rules, named.Name())
	if err != nil {
		return nil, &ConfigError{What: ConfigRegistries, Path: "of the nodes", Err: err}
	}
	if rule == nil {
		return &NodeRoute{Places: []NodePlace{{Ref: ref, Source: true}}}, nil
	}
	sources, err := rule.PullSourcesFromReference(named)
	if err != nil {
		return nil, &ConfigError{What: ConfigRegistries, Path: "of the nodes", Err: err}
	}
	route := &NodeRoute{}
	if len(rule.Mirrors) > 0 { // else it is there for another reason
		route.Rule = rule.Prefix
	}
	for i, s := range sources {
		at, err := oci.ParseRef(s.Reference.String())
		if err != nil {
			return nil, &ConfigError{What: ConfigRegistries, Path: "of the nodes", Err: err}
		}
		route.Places = append(route.Places, NodePlace{Ref: at, Insecure: s.Endpoint.Insecure, Source: i == len(sources)-1})
	}
	return route, nil
}

// nodeReference is how a node names an image: of tag and digest, the digest counts (CRI-O).
func nodeReference(ref oci.Ref) (reference.Named, error) {
	named, err := reference.ParseNamed(ref.Name())
	switch {
	case err != nil:
		return nil, fmt.Errorf("image %q: %w", ref.Name(), err)
	case ref.Digest != "":
		return reference.WithDigest(named, ref.Digest)
	}
	return reference.WithTag(named, cmp.Or(ref.Tag, "latest"))
}

// SourceError says that a request was not sent, because it would have gone to a source.
type SourceError struct{ Host string }

func (e *SourceError) Error() string {
	return "no request was sent to " + e.Host + ", which nodes do not reach after the cut"
}

// Permanent reports that the same request is never sent.
func (e *SourceError) Permanent() bool { return true }

// through is asked for the proxy of each request before anything is sent, of a redirect's too.
func (n *Node) through(u *url.URL) (*url.URL, error) {
	if n.isSource(u) {
		return nil, &SourceError{u.Host}
	}
	if v, ok := n.proxies.Via(u); ok && v.Err != nil {
		return nil, &ConfigError{What: ConfigProxy, Path: v.String(), Err: v.Err}
	}
	by, err := n.proxies.Of(u)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[u.Host] = true
	if by != nil {
		n.proxied[u.Host] = true
	}
	return by, err
}

// Hosts lists the hosts that were asked, HOST[:PORT], sorted: token services and storage that a
// registry redirects to among them.
func (n *Node) Hosts() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.hosts))
}

// at is what containers/image is to read for one place.
func (n *Node) at(place NodePlace) *types.SystemContext {
	sys := *n.places
	sys.DockerInsecureSkipTLSVerify = types.NewOptionalBool(place.Insecure)
	sys.DockerProxy = n.through
	sys.BaseTLSConfig = n.tlsOf(place)
	return &sys
}
