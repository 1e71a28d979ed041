// Package inuse is what of a mirror clusters use, and so must stay: [Read] takes files of
// what `oc get` printed in each cluster, [Keep] holds them against the receipts of the
// mirror, and against the releases and catalogs that it has. In doubt a thing stays.
package inuse
