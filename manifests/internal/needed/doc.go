// Package needed says what clusters need of what is outside: the releases that they run, the
// operators that they have installed, and the images of their pods and of what owns pods.
//
// [Of] makes no requests: it reads what is known of clusters ([cluster.State]). A name of a mirror is
// taken back to the source that it stands for, by the rules that the cluster has, so that what is
// needed of a cluster that is cut off already can be fetched outside.
package needed
