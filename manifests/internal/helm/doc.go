// Package helm reads Helm charts and says which images they run.
//
// A chart is a gzipped tar, its archive, of templates and the values that they
// take by default; it may have sub-charts, which are charts within it. [Load]
// reads an archive, and [LoadDir] packs a directory into one first, so that the
// same files are always the same bytes. [Index] is the list of charts that a chart
// repository publishes.
//
// [Chart.Objects] renders the templates as "helm template" does, with Helm's own
// library: hooks and tests too, sub-charts as their conditions and aliases say.
// No cluster is asked: lookup finds nothing, and the cluster that templates see
// has the interfaces of Kubernetes 1.34 and of OpenShift. Nothing is asked of the network,
// so that values are not compared with schemas, which may lie there.
//
// [Images] finds what the rendered objects run: the images of containers of every
// kind that has a pod, or a template of one, at its usual place, and what JSONPath
// expressions point at. It does not guess at names in other fields.
//
// [Chart.Artifact] is the chart as "helm push" puts it into a registry.
package helm
