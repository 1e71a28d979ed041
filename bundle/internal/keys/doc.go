// Package keys makes and opens the keys of a bundle.
//
// Every bundle has a key pair of its own, the bundle key ([Key]). [Make] makes
// one, encrypts its identity to the recipients as key files, and returns its
// recipient alone; [Unlock] gets the identity back with one of the recipients'
// identities; [Key.Add] makes further key files.
//
// A [Recipient] is a public key that may open a bundle, or a passphrase: an age
// key (X25519 or post-quantum), an SSH key, or a key that an age plugin knows.
// An [Identity] is the secret that belongs to it. All public keys share one key
// file; each passphrase has one to itself, because age allows nothing together
// with a passphrase.
//
// A recipient is post-quantum or classic, and the two are never mixed in one
// bundle; passphrases go with either. What a plugin's recipient is, only the
// plugin knows: it says so by labels while it encrypts. What a key file takes
// to be opened, its stanza types say without any key ([Inspect]).
//
// Nothing here touches a terminal: a [UI] is handed in. Whatever must be asked
// for is asked for when it is needed, and once.
package keys
