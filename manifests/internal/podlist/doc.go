// Package podlist reads which images the pods of a cluster use.
//
// A pod's spec names images as its author wrote them: by tag, by digest, or by a
// short name. Its status has, for each container that was started, the image's ID:
// the repository and digest that the node got. A [Use] is both, of one container.
//
// [Read] takes what `oc get pods -A` prints with -o json and -o yaml, and single
// pods; [Walk] takes a directory: a must-gather, which has
// namespaces/NAMESPACE/core/pods.yaml and namespaces/NAMESPACE/pods/POD/POD.yaml, or
// an extracted Insights archive, which has pods/NAMESPACE/POD.json. Both hold one
// pod at a time in memory.
package podlist
