// Package graphdata reads the data that an update service makes its graphs from: an
// archive of channels, blocked edges and the version of their form, as
// api.openshift.com serves it and openshift/cincinnati-graph-data has it.
//
// [Read] treats the archive as hostile. What it gives depends on the names and bytes
// of the files alone: an archive that was made again, in another order and at another
// time, gives the same layer ([Data.Layer]).
package graphdata
