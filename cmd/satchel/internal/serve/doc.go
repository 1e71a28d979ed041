// Package serve gives clients of registries what bundles carry: a registry that is only read,
// straight from the encrypted segments. Nothing is stored in clear, and nothing is written to
// a drive.
//
// # Registry
//
// [Open] reads the manifests of all bundles once and knows from then on which repository has
// which manifests, blobs and tags. The places are those of the mirror ([oci.Mirror]), so that
// what was written for a mirror leads here too. The union of the bundles is served. An image is
// served if all of it is there: a delta needs the bundles that it builds on.
//
// # Content
//
// Bytes of a blob or manifest come from whichever bundle has them. A read that begins at the first
// byte is verified, and the last bytes of wrong content are never given. Each read holds decoded
// frames in memory, so only so many read at a time, a frame each: then it is the turn of the
// client whose last one is longest ago. One whose client is slow gives its place up and takes it
// again when the client has room.
//
// # Drives
//
// A drive that is pulled is an answer 503. Its bundle is opened anew when it is back.
package serve
