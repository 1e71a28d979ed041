// Package pullsecret reads a cluster's global pull secret, and writes it again
// with an entry more or one less.
//
// A pull secret is a .dockerconfigjson: an object whose "auths" has one entry a
// registry, of which only the credential is looked at. [Parse] takes it as it is
// downloaded, or inside a Kubernetes Secret in JSON or YAML. It is strict where
// the programs that read it later are not, because what they pass over in
// silence is found only when a node cannot pull.
//
// What is not understood is kept: every entry and every other field goes on byte
// for byte as it came.
//
// An [Error] names the place and the kind of fault, never anything that the file
// says: whoever pasted a password into the wrong place reads it nowhere again.
package pullsecret
