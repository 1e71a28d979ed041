// Package pullsecret reads a cluster's global pull secret, and writes it again
// with an entry added or removed.
//
// A pull secret is a .dockerconfigjson: an object whose "auths" has one entry for
// each registry. Only the credential of an entry is looked at. [Parse] takes the
// file as it is downloaded, or inside a Kubernetes Secret in JSON or YAML. It is
// strict where the programs that read it later are not: what they ignore silently
// shows only when a node cannot pull.
//
// Every entry and every other field is written byte for byte as it was read, also
// those that the package does not understand.
//
// An [Error] has the place and the kind of the fault, never anything from the file:
// a password in the wrong place must not appear in a log.
package pullsecret
