package manifests

import (
	"io"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/chart"
	"github.com/satchel-airgap/satchel/manifests/internal/helm"
	"github.com/satchel-airgap/satchel/manifests/internal/pods"
	"github.com/satchel-airgap/satchel/manifests/internal/release"
	"github.com/satchel-airgap/satchel/manifests/internal/tempfile"
)

// What [Resolve] asks for images, and what else it needs of its host.
type (
	// Images finds images in registries, and what is published with them.
	Images = ask.Images
	// Resolver finds images in registries.
	Resolver = ask.Resolver
	// Fetcher gets files that are published by other servers than registries.
	Fetcher = ask.Fetcher
	// Store takes content that is built for the bundle, and what was derived from images.
	Store = ask.Store
	// Notices takes what the user should know and is no error.
	Notices = ask.Notices
)

// Errors of [Resolve]; see [ConfigError] too.
type (
	// FetchError says that a server answered and did not give a file.
	FetchError = ask.FetchError
	// TempError says that this host could not keep something in its directory for temporary files.
	TempError = tempfile.Error
	// SignatureError says that no signature of a release was verified.
	SignatureError = release.SignatureError
	// GraphError says that the graph image cannot be built.
	GraphError = release.GraphError
	// ToolError says that a release lacks what its programs are taken from.
	ToolError = release.ToolError
	// ChartError says that the images of a chart cannot be known.
	ChartError = chart.Error
	// ChartLimitError says that a chart takes more than a [ChartRenderer] allows.
	ChartLimitError = helm.LimitError
	// ChartFaultError says what is wrong with a chart.
	ChartFaultError = helm.FaultError
)

// What reads and renders Helm charts: a ChartRenderer runs [ServeChart] in a process of its own.
type (
	ChartRenderer = helm.Renderer
	ChartRequest  = helm.Request
)

// ServeChart answers a request about a Helm chart: it reads and renders what in has.
func ServeChart(in io.Reader, out io.Writer) error { return helm.Serve(in, out) }

// Pods gathers the images that the pods of a running cluster use.
type Pods = pods.Pods

// NewPods begins an empty set.
func NewPods() *Pods { return pods.NewPods() }
