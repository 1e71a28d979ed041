// Bench measures pack and unpack against the project's limits: go run ./scripts/bench
//
// The source is a registry that computes layers from a seed whenever they are
// asked for; the mirror is a registry that hashes what it is sent and forgets
// it. Both run in a process of their own, so that the measured process is
// satchel alone and only the bundle is on disk. Plain HTTP GETs and PUTs of the
// same blobs over as many connections are measured beside it. The exit code is
// 1 if a limit is broken. docs/bench.md explains the numbers.
package main
