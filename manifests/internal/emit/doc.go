// Package emit writes the files that point a cluster at its mirror.
//
// [Emit] takes the inventory of what the mirror has, and a [Site]: the mirror, and
// what the cluster has at present. It gives [File]s, and notes for a person:
//
//   - rules lead nodes from an image's own name to its place in the mirror. They are
//     ImageContentSourcePolicies, or ImageDigestMirrorSets and ImageTagMirrorSets, and
//     registries.conf shows what nodes make of them;
//   - the pull secret has the mirror's credential added;
//   - the registry CA is the ConfigMap of certificate authorities that image.config
//     names, with the mirror's added;
//   - a CatalogSource for each catalog, and the patch of the operator hub that turns
//     the default catalogs off;
//   - the signatures of releases;
//   - APPLY.md has the commands in steps, and restore/ is the way back.
//
// Each of these has a file of Go with its YAML, its step in APPLY.md and its part of
// the way back; CONTRIBUTING.md shows how to add one.
//
// Emit writes to no disk, and asks neither a registry nor a cluster: the same
// inventory and site always give the same bytes. What it knows of the cluster is
// read by [ParsePullSecret], [ParseRegistryCA] and [ParseImageConfig].
package emit
