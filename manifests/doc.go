// Package manifests holds what satchel knows of OpenShift's files. Three doors:
//
// [Load] reads a configuration: oc-mirror v2's ImageSetConfiguration, so that a site
// keeps the file it has, with its environment, templates and pods. Each mistake
// in the file is a [ConfigError] that points at line and column, and one run reports
// all that it can find. [Parse] reads only the file.
//
// [Resolve] pins a configuration to an [oci.Inventory]: every reference is asked for
// once, through [Images], and is a digest from then on. What several parts of the
// configuration want is one image, with the tags and reasons of all.
//
// [Emit] is the way back: from the inventory of what a mirror has, and what is known
// of the cluster ([Site]), to the files that make the cluster use it. It asks neither a
// registry nor a cluster; the same inventory and site always give the same bytes.
//
// # Map
//
// The packages below, in the order in which they may import each other:
//
//	internal/origin     origins and reasons of images, releases of an inventory, what is incomplete
//	internal/documents  what a bundle carries in addition: signatures, contents of catalogs, templates
//	internal/imageset   the configuration: Config, reading, checks, digest
//	internal/ask        how images are asked for, and what a part of the configuration wants
//	internal/release    releases, update graphs, signatures, the graph image, images for KubeVirt
//	internal/operator   catalogs: selection, dependencies, the filtered catalog's image
//	internal/chart      Helm charts and the images that they run
//	internal/pods       what the pods of a running cluster use
//	internal/pin        digests, platforms and blocked images of all that is wanted
//	internal/emit       the cluster's YAML, APPLY.md, registries.conf
//
// Each format has a reader of its own: graph and graphdata (update graphs), payload,
// signature, catalog and filter (operator catalogs), opm (what serves them), helm,
// podlist, pullsecret, rules, strict (YAML with places), layers (files in images) and
// rebuild (images that are built). Package asktest has registries in memory for tests.
//
// # Rules
//
// A release is a payload image that names its components by digest. A signature must
// verify the payload before it is read, else there is a [SignatureError]. The
// graph image is built from a base image and from data that is published with the graphs.
// A catalog is carried as an image that is built with what was selected; one that is asked
// for whole is carried as it is. A chart is carried as the artifact that "helm push"
// writes, with the images of its pods. Where platforms are selected, an index stands as
// it is, and [oci.Image].Omitted lists what it lacks. Images without a registry are
// named with the hosts catalogs.local, charts.local and graph-data.local.
//
// Errors that know it have Hint, what to do now, and Permanent, whether trying again
// gives the same answer. They name no flag of a command: Field names what they are about.
//
// The package speaks to registries only through [Images] and knows nothing of
// bundles or encryption.
package manifests
