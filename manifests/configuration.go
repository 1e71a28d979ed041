package manifests

import "github.com/satchel-airgap/satchel/manifests/internal/imageset"

// The configuration and its parts. See [Config] for what it is.
type (
	// Config is an ImageSetConfiguration of mirror.openshift.io/v2alpha1.
	Config = imageset.Config
	// Extra is what is asked for in addition to the file.
	Extra = imageset.Extra
	// KeptCatalog is a filtered catalog that an earlier bundle carried.
	KeptCatalog = imageset.KeptCatalog
	// Hub is what a mirror inside got by a bundle.
	Hub = imageset.Hub
	// Mirror says what is mirrored.
	Mirror = imageset.Mirror
	// Platform selects OpenShift or OKD releases.
	Platform = imageset.Platform
	// InstancePlatform is one platform of a multi-platform image.
	InstancePlatform = imageset.InstancePlatform
	// ReleaseChannel selects releases of one update channel.
	ReleaseChannel = imageset.ReleaseChannel
	// Operator selects packages of one operator catalog.
	Operator = imageset.Operator
	// Package selects channels and versions of one operator.
	Package = imageset.Package
	// PackageChannel selects versions of one channel of an operator.
	PackageChannel = imageset.PackageChannel
	// AdditionalImage is one image that is carried for itself.
	AdditionalImage = imageset.AdditionalImage
	// Helm selects charts, whose images are carried.
	Helm = imageset.Helm
	// HelmRepository is a chart repository.
	HelmRepository = imageset.HelmRepository
	// Chart is one Helm chart.
	Chart = imageset.Chart
	// ChartValues are the values of a file, for the charts of one name.
	ChartValues = imageset.ChartValues
	// BlockedImage leaves out images.
	BlockedImage = imageset.BlockedImage
	// Sample is a sample image.
	Sample = imageset.Sample
	// PodImage is an image that pods of a cluster use.
	PodImage = imageset.PodImage
	// GraphData says where the data of the graph image comes from.
	GraphData = imageset.GraphData
	// ConfigError is one thing that is wrong with a file.
	ConfigError = imageset.ConfigError
)

// Lists that a [ConfigError] has as its Field: they show what can be named in place of what is wrong.
const (
	FieldListReleases = imageset.ListReleases
	FieldListCatalog  = imageset.ListCatalog
)

// Parse reads an ImageSetConfiguration strictly; name is the file's name for messages.
// Everything that is wrong is a *[ConfigError], and the error joins as many as were found.
func Parse(name string, data []byte) (*Config, error) { return imageset.Parse(name, data) }

// ParseGraphData reads the name of graph data, an address or a file, and looks into the file.
func ParseGraphData(name string) (GraphData, error) { return imageset.ParseGraphData(name) }

// ParseChartValues checks the contents of a values file for the chart of that name.
func ParseChartValues(name, file string, values []byte) (ChartValues, error) {
	return imageset.ParseChartValues(name, file, values)
}
