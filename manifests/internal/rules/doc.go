// Package rules knows where a cluster's nodes look for the images of an inventory.
//
// A [Rule] sends pulls by digest from one source repository to the repositories
// of the mirror that have its images. [Of] gives one rule for each source repository,
// in three groups: release, operator and generic. [Group.Split] divides a group
// into [Set]s that each fit into one object of the cluster; a set's name comes
// from its rules. [Grow] adds groups to the objects that a cluster has, of any [Kind].
//
// [Nodes] is /etc/containers/registries.conf, as the machine config operator writes
// it on every node from the rules: [Nodes.TOML] is the file, and [Nodes.Pull] lists
// the places that a node tries for a reference. [Nodes.Drains] says whether nodes are drained
// when it changes.
package rules
