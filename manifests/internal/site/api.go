package site

import "github.com/blang/semver/v4"

// MirrorAPI is the kind of objects that rules are written as; "" is [MirrorICSP],
// but in a cluster whose rules of satchel are of the newer kind [MirrorIDMS].
type MirrorAPI string

// The kinds. Images that are named by tag have rules only as IDMS.
const (
	MirrorICSP MirrorAPI = "icsp" // ImageContentSourcePolicy, which every OpenShift 4 has
	MirrorIDMS MirrorAPI = "idms" // ImageDigestMirrorSet and ImageTagMirrorSet, from 4.13 on
	MirrorAuto MirrorAPI = "auto" // by the cluster's version and the rules that it has
)

// SourcePolicy says whether nodes may ask a source itself; "" keeps what the cluster has.
type SourcePolicy string

// The policies, which only an ImageDigestMirrorSet can have.
const (
	SourceAllow SourcePolicy = "allow" // nodes ask the source if no mirror has the image
	SourceNever SourcePolicy = "never" // nodes never ask the source
)

// HasMirrorSets reports whether a version has ImageDigestMirrorSet and ImageTagMirrorSet.
func HasMirrorSets(v semver.Version) bool { return v.Major > 4 || v.Major == 4 && v.Minor >= 13 }
