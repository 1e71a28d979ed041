// Package keys makes and opens the keys of a bundle.
//
// A recipient is a public key that may open a bundle, an identity the secret
// key that belongs to it. Every bundle has a key pair of its own, the bundle
// key: [Wrap] makes one, encrypts its identity to the recipients as a key file,
// and returns its recipient alone; [Unwrap] gets the identity back with one of
// the recipients' identities.
//
// Two kinds of key are known, X25519 and post-quantum (ML-KEM-768 with X25519),
// and they are never mixed in one bundle.
package keys
