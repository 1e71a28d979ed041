package main

import (
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// graphData is a flag of where the graph data is.
type graphData struct{ to *manifests.GraphData }

func (v graphData) String() string { return "" }

func (v graphData) Set(s string) (err error) {
	*v.to, err = manifests.ParseGraphData(s)
	return err
}

func (v graphData) Type() string { return "URL|FILE" }

// graphBase is a flag of the image that the graph image is built from.
type graphBase struct{ to *oci.Ref }

func (v graphBase) String() string { return "" }

func (v graphBase) Set(s string) (err error) {
	*v.to, err = oci.ParseRef(s)
	return err
}

func (v graphBase) Type() string { return "IMAGE" }
