// Package manifests holds what satchel knows of OpenShift's files.
//
// A [Config] is an image set configuration: oc-mirror v2's
// ImageSetConfiguration, so that a site keeps the file it has. [Parse] reads it
// strictly. Whatever is wrong with a file is a [ConfigError] that points at line
// and column, and one run reports all that it can find.
//
// A release is an image, the payload, that names the images of its components by
// digest. mirror.platform.release asks for one: the payload is read out of its own
// layers, and each component is carried under the tag that oc-mirror v2 gives it.
// Before any of it is read, a signature must vouch for the payload's digest, or
// [Resolve] gives a [SignatureError]. A release that is verified brings keys of its own,
// which count for the others of the run. The signatures go along as a document, which
// [ReadSignatures] reads on the other side, for [Site].
//
// mirror.platform.channels asks for those that an update graph gives: what a channel
// has between two versions, or the shortest path of updates between them. The
// graphs that were used are the inventory's document [DocumentGraph].
//
// mirror.platform.graph asks for the graph image, from which an update service inside
// gets the data of its graphs. It is made here, of a base image and of the data that
// is published beside the graphs: see [GraphData]. graph-data.local stands for its host.
//
// An operator catalog is an image that lists operators: packages, which have
// channels, which have bundles. mirror.operators asks for packages, of which
// bundles are carried: the newest of each channel, or those that channels and versions
// name, and what these require if [Extra.WithDependencies] asks for it. A bundle is an
// image and its related images, which are what it runs. The catalog that is carried is
// an image that is made here, which has what was chosen alone; one of which everything
// is asked for is carried as it is. Which versions of each channel are carried
// is the inventory's document [DocumentContents], which [ReadContents] reads.
// A catalog may also be an OCI image layout in a directory of this host: it is
// named catalogs.local/NAME:TAG, and [Config.OpenCatalogs] says which they are.
//
// Where platforms are chosen, an image for several is carried without those that
// were not: its index stands as it is, [oci.Image].Without lists what it lacks.
// Images that come to one repository of the mirror leave out nothing that another
// of them brings.
//
// [Pods] gathers what the pods of a running cluster use, which [Config.Extra] adds to
// the configuration: the digests that nodes have count, not where tags point by now.
//
// A Helm chart is a set of templates for objects of the cluster. mirror.helm asks
// for charts: each is rendered, the images that its pods run are carried, and the
// chart itself as the artifact that "helm push" makes. One that comes from no
// registry has its place under charts/ in the mirror; one of this host is named
// charts.local/NAME:VERSION.
//
// Parse takes the whole schema. [Config.CheckSupported] is the second question: does
// the file ask for anything that this version does not carry. It is asked before
// any network is touched.
//
// [Resolve] pins a configuration to an [oci.Inventory]: every reference is asked
// for once, through [Images], and is a digest from then on. Each part of the
// configuration says which images it wants; what several want is one image, with
// the tags and reasons of all. [Config.Digest] says whether two files ask for the
// same, however they are written.
//
// [Emit] is the way back: from the inventory of what a mirror has, and what is
// known of the cluster ([Site]), to the files that make the cluster use it: the
// pull secret, the mirror's authorities, the rules that lead nodes from an image's
// own name to its place in the mirror (ImageContentSourcePolicy), the catalogs,
// and APPLY.md, the steps in order. What it is told of the cluster is read by
// [ParsePullSecret], [ParseRegistryCA] and [ParseImageConfig]. It writes nothing
// itself and asks no cluster; an inventory and a site always give the same bytes.
//
// The package speaks to registries only through [Images] and knows nothing of
// bundles or encryption.
package manifests
