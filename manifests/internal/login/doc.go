// Package login is the pull secret: the entries by which nodes pull from the mirror, how
// they are added to what the cluster has, and how they go again.
package login
