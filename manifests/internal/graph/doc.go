// Package graph reads update graphs and selects releases from them.
//
// An update graph (OpenShift's Cincinnati protocol) says which releases a channel
// has and which updates between them are supported. A node is a release: a version
// and its payload, by digest. An edge leads from a release to one that a cluster
// may update to. A conditional edge is one with risks: known problems that some
// clusters run into, each with a name. Such an edge is only taken when every one of
// its risks is accepted by name.
//
// [Parse] reads one channel's graph for one architecture; [Union] puts several
// together, so that a path may lead from channel to channel. [Graph.Range] selects
// by version, [Graph.Path] along edges. The package touches no network, and the same
// graphs always give the same answer.
package graph
