// Package signature judges the signatures of release payloads.
//
// A release is signed by a message, a small OpenPGP file: a one-pass signature, a
// literal body and the signature packet, compressed or not. The body is a claim in
// JSON ("atomic container signature", containers-signature(5)): it names the
// payload by digest, and the tag that it is published under. The digest is what
// counts. The tag says nothing: it may have moved since.
//
// [Verify] takes the message apart and reads the body to its end first. Only then
// is the signature checked over it, by a key of a [Keyring], and only then is the
// claim read. A message for which any of it fails is an [*Error] of one [Kind].
//
// Signatures of version 3, which Red Hat's signing server wrote until 2022, are no
// part of the OpenPGP library any more; they are checked here (RFC 4880, 5.2.2).
package signature
