package transport

import (
	"crypto/tls"
	"errors"
	"slices"

	"go.podman.io/image/v5/types"
)

// mostSources is how many repositories of places are kept open.
const mostSources = 64

// nodeSource is a repository of a place that gave a manifest. What is asked for there next goes over the
// same connections, and with the same token.
type nodeSource struct {
	src   types.ImageSource
	users int
	alone bool // nobody else gets it: the last user closes it
}

// nodeSources are those that are open, by repository.
type nodeSources struct {
	by    map[string]*nodeSource
	order []string // the one that was used last is last
}

// sourceKey names the repository of a place.
func sourceKey(place NodePlace) string {
	if place.Insecure {
		return "insecure " + place.Ref.Name()
	}
	return place.Ref.Name()
}

// borrow gives the open source of a place; nil for none. What is borrowed goes to release.
func (n *Node) borrow(place NodePlace) *nodeSource {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.open.by[sourceKey(place)]
	if s != nil {
		s.users++
		n.open.used(sourceKey(place))
	}
	return s
}

// keep makes a source one that others borrow. It goes to release too.
func (n *Node) keep(place NodePlace, src types.ImageSource) *nodeSource {
	n.mu.Lock()
	defer n.mu.Unlock()
	key, s := sourceKey(place), &nodeSource{src: src, users: 1}
	if n.open.by[key] != nil {
		s.alone = true
		return s
	}
	n.open.by[key] = s
	n.open.used(key)
	if len(n.open.order) > mostSources {
		first := n.open.order[0]
		n.open.order = n.open.order[1:]
		old := n.open.by[first]
		delete(n.open.by, first)
		if old.alone = true; old.users == 0 {
			_ = old.src.Close() // it ends connections that nobody uses
		}
	}
	return s
}

// used puts a repository last in the order.
func (o *nodeSources) used(key string) {
	o.order = append(slices.DeleteFunc(o.order, func(have string) bool { return have == key }), key)
}

// release gives a source back, if there is one.
func (n *Node) release(s *nodeSource) error {
	if s == nil {
		return nil
	}
	n.mu.Lock()
	s.users--
	end := s.alone && s.users == 0
	n.mu.Unlock()
	if end {
		return s.src.Close()
	}
	return nil
}

// closeSources ends the connections of all.
func (n *Node) closeSources() (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.open.by {
		err = errors.Join(err, s.src.Close())
	}
	n.open = nodeSources{by: map[string]*nodeSource{}}
	return err
}

// tlsOf is the TLS configuration that pulls from a registry start from: that of containers/image, which
// remembers sessions here, so that each new connection costs less.
func (n *Node) tlsOf(place NodePlace) *tls.Config {
	key := place.Ref.Registry
	if place.Insecure {
		key = "insecure " + key
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.tls[key] == nil {
		n.tls[key] = &tls.Config{
			CipherSuites:       nodeSuites(),
			ClientSessionCache: tls.NewLRUClientSessionCache(0),
		}
	}
	return n.tls[key]
}

// nodeSuites are those of containers/image for TLS 1.2 (docker/go-connections, tlsconfig.ClientDefault).
func nodeSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}
