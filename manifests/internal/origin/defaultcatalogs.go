package origin

// DefaultCatalog is one that clusters have unless it is switched off (operator-marketplace,
// defaults/).
type DefaultCatalog struct {
	Source     string // name of its CatalogSource
	Repository string // with its registry; the tags are vMAJOR.MINOR
	Before     uint64 // minor version of OpenShift 4 from which on clusters do not have it; 0: all have
}

// DefaultCatalogs are those of OpenShift, in the order of their priority.
var DefaultCatalogs = []DefaultCatalog{
	{Source: "redhat-operators", Repository: "registry.redhat.io/redhat/redhat-operator-index"},
	{Source: "certified-operators", Repository: "registry.redhat.io/redhat/certified-operator-index"},
	{Source: "redhat-marketplace", Repository: "registry.redhat.io/redhat/redhat-marketplace-index", Before: 22}, // operator-marketplace 3308bf64e
	{Source: "community-operators", Repository: "registry.redhat.io/redhat/community-operator-index"},
}

// In reports whether clusters of a version have the catalog.
func (d DefaultCatalog) In(major, minor uint64) bool {
	return d.Before == 0 || major < 4 || major == 4 && minor < d.Before
}
