// Package updatepath finds the updates that lead a cluster from the release that it runs to
// the newest of a bundle, and what is known of them by version: which minor version comes
// after which, between which two a control plane may go while its worker nodes wait, and
// which gates the operators of a cluster add to the ConfigMap admin-gates at run time.
//
// It touches no network and no cluster, and the same releases always give the same answer.
package updatepath
