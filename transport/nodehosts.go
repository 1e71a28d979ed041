package transport

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// address is who a request goes to, in the one form in which hosts are compared: a name in lower case,
// without the dot at its end, and a port that is "" where none is named.
type address struct{ host, port string }

// addressOf reads HOST[:PORT].
func addressOf(registry string) address {
	u := url.URL{Host: strings.ToLower(registry)}
	return address{strings.TrimSuffix(u.Hostname(), "."), u.Port()}
}

func addressesOf(registries []string) (list []address) {
	for _, one := range registries {
		list = append(list, addressOf(one))
	}
	return list
}

// addressIn is whom a URL leads to; its port is always known.
func addressIn(u *url.URL) address {
	a := addressOf(u.Host)
	if a.port == "" {
		a.port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return a
}

// has reports whether requests to b go to a. Without a port, a has those of HTTPS and HTTP.
func (a address) has(b address) bool {
	return a.host == b.host && (a.port == b.port || a.port == "" && (b.port == "443" || b.port == "80") || b.port == "" && a.port == "443")
}

// above reports whether b is a, with any port if a has none, or a host below it.
func (a address) above(b address) bool {
	return a.has(b) || a.port == "" && (b.host == a.host || strings.HasSuffix(b.host, "."+a.host))
}

// Reaches reports whether nodes reach a registry, HOST[:PORT], after the cut: what registries.conf has as a
// mirror, and [NodeConfig].Inside.
func (n *Node) Reaches(registry string) bool { return n.reaches(addressOf(registry)) }

func (n *Node) reaches(a address) bool {
	return slices.ContainsFunc(n.inside, func(in address) bool { return in.has(a) })
}

// Refuse takes registries, HOST[:PORT], as out of reach from now on, unless nodes reach them.
func (n *Node) Refuse(registries ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range registries {
		a := addressOf(one)
		if n.reaches(a) || slices.Contains(n.sources, a) {
			continue
		}
		n.sources = append(n.sources, a)
		if a.host == "docker.io" {
			n.sources = append(n.sources, addressOf("docker.com")) // its storage
		}
	}
}

// isSource reports whether an address is that of a source.
func (n *Node) isSource(u *url.URL) bool {
	a := addressIn(u)
	if n.reaches(a) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.sources, func(source address) bool { return source.above(a) })
}

// OtherHosts lists the hosts that were asked, HOST[:PORT], besides those of [Node.Reaches], sorted: token
// services and storage that a registry redirects to.
func (n *Node) OtherHosts() (list []string) {
	for _, host := range n.Hosts() {
		if !n.Reaches(host) {
			list = append(list, host)
		}
	}
	return list
}

// Proxied lists the hosts that were asked through the proxy that this host's environment names, sorted.
func (n *Node) Proxied() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.proxied))
}
