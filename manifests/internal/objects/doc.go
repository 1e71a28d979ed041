// Package objects reads the objects of a cluster as `oc get` prints them with -o json and
// -o yaml: a list of any kind, single objects, and several of these in one file. It holds
// one object at a time in memory.
package objects
