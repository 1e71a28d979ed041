// Package audit judges what a cluster would miss once its cable is cut: by what is known of its
// objects, of the rules that lead its nodes, and of what a mirror has.
//
// [Workloads] says which containers would not start again. What the mirror has it asks a [Mirror],
// each image once. [Subscriptions] and [Extensions] say which operators get no updates from the
// catalogs that will serve them. [CompareRegistries] and [CompareSecret] hold two files of a node
// against what it should have, [Surroundings] looks at the cluster's own settings, and [Outside]
// lists who pulls images without a node. [Catalogs] and [ReadCatalog] give the catalogs.
//
// Nothing here makes a request itself, and no secret is in what it gives.
package audit
