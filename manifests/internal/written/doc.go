// Package written reads the files that were emitted for a cluster, as a node and the cluster come to
// have them: the rules, the pull secret, the mirror's authorities, and the images that objects name.
//
// It reads what a person would apply, and not what another file says of it, because files may have been
// changed by hand, or be left from another week. Errors point at file and line, and have nothing of a
// secret.
package written
