// Package registrytest gives tests a real registry and a proxy before it.
//
// [Start] runs Debian's docker-registry on a port of its own, with storage that
// goes away with the test. [StartProxy] puts a reverse proxy in front of any
// registry: it counts requests by kind and the bytes of blobs that were pulled,
// and lets a test answer a request itself, alter an answer, or break a
// connection after a number of bytes.
//
// The kind of a request is its method and what it is about: "HEAD manifest",
// "GET blob", "POST upload", "POST mount", "PUT upload", "DELETE upload",
// "GET base" (the API root) and so on; "other" is what no registry client asks.
package registrytest
