package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// placeFlags say where images go.
type placeFlags struct {
	to     string
	nested nestedFlag
	layout string
}

// nestedFlag is a limit of path components that may have been given.
type nestedFlag struct {
	paths int
	flag  *pflag.Flag
}

// given reports whether the flag was set, also to what it is anyway.
func (n nestedFlag) given() bool { return n.flag != nil && n.flag.Changed }

func addPlaceFlags(f *pflag.FlagSet, o *placeFlags) {
	f.StringVar(&o.to, "to", "", "`MIRROR` registry, HOST[:PORT][/NAMESPACE]")
	addLayoutFlags(f, o, "")
}

// addLayoutFlags adds the flags for which repositories the mirror has; when begins what each says.
func addLayoutFlags(f *pflag.FlagSet, o *placeFlags, when string) {
	f.IntVar(&o.nested.paths, "max-nested-paths", 0, when+"join what goes beyond `N` path components by hyphens; 0 is no limit")
	o.nested.flag = f.Lookup("max-nested-paths")
	f.StringVar(&o.layout, "layout", "", when+"which `TOOL`'s repositories the mirror has: oc-mirror (the default), or oc for one that oc adm release mirror and oc adm catalog mirror filled; oc=REPOSITORY if its releases are not in the namespace itself")
}

// layoutGiven reports whether the layout of the mirror was named.
func (o placeFlags) layoutGiven() bool { return o.layout != "" }

// place is the mirror that the flags name.
func (o placeFlags) place(command string) (oci.Mirror, error) {
	if o.to == "" {
		return oci.Mirror{}, usage(fmt.Errorf("%s needs --to HOST[:PORT][/NAMESPACE]", command), "name the mirror registry")
	}
	if o.nested.paths < 0 {
		return oci.Mirror{}, usage(errors.New("--max-nested-paths must not be negative"), "")
	}
	place, err := oci.ParseMirror(o.to)
	if err != nil {
		return place, explainTo(o.to, err)
	}
	place.MaxNestedPaths = o.nested.paths
	layout := manifests.Layout{Tool: manifests.LayoutOcMirror}
	if o.layoutGiven() {
		if layout, err = manifests.ParseLayout(o.layout); err != nil {
			return place, usage(err, "for example --layout oc")
		}
	}
	if place, err = layout.On(place, o.nested.given()); err != nil {
		namespace := "--to HOST/ocp4/openshift4"
		if command == "serve" {
			namespace = "--namespace ocp4/openshift4"
		}
		return place, usage(err, "add it, as in "+namespace+", or name that repository: --layout oc=REPOSITORY")
	}
	return place, nil
}

// others are the layouts that the mirror may have if none was named.
func (o placeFlags) others() []unpack.Layout {
	if o.layoutGiven() {
		return nil
	}
	place, err := oci.ParseMirror(o.to)
	if err != nil {
		return nil
	}
	place.MaxNestedPaths = o.nested.paths
	oc := manifests.Layout{Tool: manifests.LayoutOc}
	if place, err = oc.On(place, o.nested.given()); err != nil {
		return nil
	}
	return []unpack.Layout{{Name: oc.String(), Tools: "oc adm release mirror or oc adm catalog mirror", Mirror: place}}
}
