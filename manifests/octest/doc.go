// Package octest is a cluster for tests: an API server in memory, and an oc that talks to it.
//
// A [Cluster] has objects, and stores what is applied as an API server does: client-side
// apply by the annotation of the last one, server-side apply by managed fields, merge
// patches. [Cluster.Page] runs the blocks of commands of a page such as APPLY.md in a real
// shell, where oc is this package's. It knows the commands that satchel's pages have, and
// those only: anything else fails, so that a page with a wrong flag shows.
package octest
