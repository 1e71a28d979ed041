// Package rules says where a cluster's nodes look for the images of an inventory.
//
// A [Rule] sends pulls by digest from one source repository to the repositories
// of the mirror that keep its images. [Of] makes them, one a source repository,
// in three groups: release, operator and generic. [Group.Split] cuts a group
// into [Set]s that each fit into one object of the cluster; a set's name comes
// from its rules.
//
// [Nodes] is what the machine config operator makes of the rules on every node,
// /etc/containers/registries.conf: [Nodes.TOML] writes it, and [Nodes.Pull] says
// which places a node tries for a reference.
package rules
