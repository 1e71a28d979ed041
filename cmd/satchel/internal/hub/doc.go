// Package hub is the file hub.json, which unpack writes beside registries.conf: what a bundle
// brought into a mirror. With it the same configuration can be packed again from that mirror,
// for a mirror behind it, where nothing else can be reached.
package hub
