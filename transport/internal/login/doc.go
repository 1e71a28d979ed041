// Package login logs in to one registry: it answers its challenges, fetches tokens, and tells wrong
// credentials from those that only may not do something.
package login
