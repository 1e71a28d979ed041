// Package chart resolves what a configuration asks for of Helm charts.
//
// Charts come from chart repositories over HTTP, from registries and from this
// host. [Images] asks for each chart itself, and for the images of the pods that it
// renders with its default values and those of the configuration. Package helm reads and
// renders a chart.
package chart
