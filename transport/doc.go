// Package transport speaks to registries: the ones images are taken from, and
// the mirror they are brought to.
//
// A [Client] is one side's view of all its registries: credentials, TLS, the
// scheme of each host, one pool of connections. A [Repository] is one
// repository of one registry and an [oci.Source]: manifests come whole, blobs
// from any offset. [Client.Resolve] turns a reference into a descriptor.
//
// A [Mirror] is the target registry with its naming rule. It is asked in three
// steps. [Mirror.Missing] only reads: an image whose tags all have the right
// digest is there, and vouches for its blobs; of the others, each blob is
// looked for in each repository that needs it, and becomes a [Delivery] where
// it is not. [Mirror.Blobs] makes the deliveries in the caller's order: a blob
// is uploaded once and mounted into its other repositories. [Mirror.Manifests]
// then stores manifests, children before parents, and sets the tags last.
//
// Nothing is committed whose bytes do not match its digest: uploads read from a
// verified source that fails before its last byte, and the upload session is
// then cancelled.
//
// What a registry answers becomes a [RegistryError]. What a source answers
// passes through, so that errors.As finds it.
package transport
