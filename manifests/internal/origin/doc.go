// Package origin knows what an inventory says of where its images come from.
//
// The origin of an image is the part of the configuration that asks for it: a
// release, a catalog, an operator, a chart, a pod or the list of additional images.
// Its reasons say more, each of a kind: KindRelease with the version, KindOperator
// with the package. A release, a catalog, an operator and a chart are wholes: [IncompleteOf]
// says which of them lack images. Images that have no registry of their own are named
// with a host that stands for this program's, such as catalogs.local.
//
// The package reads only inventories. It finds no image, so that what writes the
// cluster's YAML can use it and cannot ask a registry.
package origin
