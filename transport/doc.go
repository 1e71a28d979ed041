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
// digest is there, and so are its blobs (an index alone is no proof of the manifests
// that it names: those are asked for); of the others, each blob is
// looked for in each repository that needs it, and becomes a [Delivery] where
// it is not. [Mirror.Blobs] makes the deliveries in the caller's order: a blob
// is uploaded once and mounted into its other repositories. [Mirror.Manifests]
// then stores manifests, children before parents, and sets the tags last.
//
// Nothing is committed whose bytes do not match its digest: uploads read from a
// verified source that fails before its last byte, and the upload session is
// then cancelled.
//
// A registry that is away for a while is waited for. What fails and may go
// better next time is tried again, with pauses that double, for a minute at
// least by default; Retry-After is heeded by all requests to a host. A blob's
// reader resumes where its connection broke or stood still, a broken upload
// starts again. Config.LimitRate is shared by all connections.
//
// What is configured on the host counts: credentials by containers-auth.json(5),
// certificates by containers-certs.d(5), proxies from the environment, and
// containers-registries.conf(5). As with podman, location and mirrors are for
// pulls alone; blocked and insecure count for pushes too. The mirrors of a
// repository are asked in order, its location last; one that failed just now, or
// wants time, holds up nothing that another has. Blobs and manifests that a
// tag leads to may come from any place that the tag may.
//
// A credential goes to the registry it is configured for, to the token service
// which that registry names (never by plain HTTP if the registry speaks TLS,
// never to link-local or cloud metadata addresses, to loopback only from
// loopback), and nowhere else: redirects to another host lose it, redirects from
// TLS to plain HTTP and uploads to another host are refused.
//
// What a registry answers becomes a [RegistryError]. What a source answers
// passes through, so that errors.As finds it.
package transport
