// Package kube has the objects that satchel writes for a cluster, and the patches
// of the cluster's own, as types with exactly the fields that are set.
//
// [Ours] is the head of an object that satchel creates: it has the label [Mine], by
// which it is recognised later. [Theirs] is the head of one that every cluster has.
package kube
