// Package cluster reads what the objects of clusters say is in use: releases, installed
// operators, and images.
//
// [Use.ReadPods] and its like take files of what `oc get` prints with -o json and -o yaml, and hold one
// object at a time. Of ClusterVersions and Subscriptions it knows the fields; of all other
// objects each digest in any text, and each text that is an image's name, is a name in use:
// containers, their status, what an operator's variables or a CatalogSource name. What a
// node has stored is not in use, and what a ClusterVersion offers as an update is neither.
//
// [Read] and [ReadDir] read what one cluster is, as the line of [Query] fetches it or as a
// must-gather has it: a [State].
//
// Errors say nothing of the content: it may be the wrong file, with secrets in it.
package cluster
