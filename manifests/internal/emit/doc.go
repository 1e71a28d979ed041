// Package emit writes the files that point a cluster at its mirror.
//
// [Emit] takes the inventory of what the mirror has, and a [Site]: the mirror, and
// what the cluster has at present. It gives files: the pull secret, the registry
// authorities, the rules that lead nodes from an image's own name to its place in
// the mirror (ImageContentSourcePolicy), the CatalogSources, the signatures of
// releases, APPLY.md with the steps in order, and restore/ for the way back.
//
// It writes nothing itself, and asks neither a registry nor a cluster: the same
// inventory and site always give the same bytes. What it knows of the cluster is
// read by [ParsePullSecret], [ParseRegistryCA] and [ParseImageConfig].
package emit
