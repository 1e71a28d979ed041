// Package cache stores small content, and what was worked out of images, on this host, so
// that a later run need not read it again. It may be deleted at any time: what it gives is
// verified each time, and a damaged or shortened file counts as missing.
package cache
