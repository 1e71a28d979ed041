// Package limit has connections share a number of bytes a second, both directions together.
package limit
