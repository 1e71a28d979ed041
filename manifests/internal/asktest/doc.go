// Package asktest has registries and servers in memory for tests, as package ask's
// Images: plain images, releases with graphs and signatures, and operator catalogs.
package asktest
