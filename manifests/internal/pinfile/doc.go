// Package pinfile finds out what to write into a configuration so that it asks for what it
// names today: digests in the place of tags, ranges of versions in the place of heads. What
// a configuration has no place for is listed instead.
package pinfile
