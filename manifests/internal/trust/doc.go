// Package trust is what nodes need before they can reach the mirror: the hosts that the
// proxy leaves out, the certificate authorities of registries, the registries without TLS,
// and image.config, which may refuse some.
package trust
