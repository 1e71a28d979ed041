// Package hostfile reads the files that are configured on a host for its registries: the
// credentials file, authorities and client certificates. What a pipe gives, which can be read once,
// is kept.
package hostfile
