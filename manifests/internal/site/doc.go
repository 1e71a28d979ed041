// Package site is what is known of the side behind the air gap when files are written for
// a cluster.
//
// A [Site] has the mirror, the cluster's state ([cluster.State]), and what a person gave in
// files: [PullSecret], [RegistryCA], [ImageConfig], [PresentRules] and
// [PresentCatalogSources], each read by its Parse function. What is wrong with them is an
// [imageset.ConfigError] with its line and column; a Site whose parts do not fit each
// other is a [SiteError].
package site
