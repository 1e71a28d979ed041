// Package filter chooses bundles of one package of a catalog and makes the package
// that has these alone.
//
// A channel is a graph of entries: each names a bundle and says which it updates,
// by replaces, skips, or skipRange, a range of versions. Its head is the entry that
// nothing updates. What is asked is the head of each channel, or everything, or a
// range of versions, for which the bundles in range are chosen with those between
// them without which there would be no way to update: connectors. When an entry that
// another replaces is left out, and skipRange updates from an older one that is
// kept, then that is what it replaces in the result: no update is made up.
//
// Versions are ordered as semantic versions. If two differ only in build metadata, or
// are two releases of one version, these are compared as well. A bound that names
// neither means all of them. A bound 4.15.0 also means 4.15.0-rhodf, because catalogs
// give released versions such suffixes, but not 4.15.0-rc.1.
//
// A result is one that operator-registry's model takes (declcfg.ConvertToModel).
package filter
