// Package operatorhub is the catalogs: CatalogSources and ClusterCatalogs of the mirror,
// their names, the Subscriptions and ClusterExtensions that follow them, the default ones
// that are turned off, and the repositories of Helm charts.
//
// A catalog is for the version that the cluster runs, or for a later one: that takes its
// place after the update ([Hub.StepCatalogSwitch]).
package operatorhub
