// Package pods gathers what the pods of a running cluster use.
//
// [Pods] reads what "oc get pods -A" prints, and must-gathers. The digest that a node
// has counts, not where a tag points by now. [Images] asks for what was gathered.
// Package podlist reads the files.
package pods
