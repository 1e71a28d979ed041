// Demo shows satchel at work with nothing but Go installed: go run ./scripts/demo
//
// Two registries run inside this process on 127.0.0.1. The source is filled
// with made-up images; the real satchel binary, built first, packs them onto a
// directory that stands for the drive and unpacks them into the mirror. Both
// runs are killed half-way by SIGKILL and started again. In the end every
// digest is compared. Everything lies in one temporary directory, which is
// removed. The exit code is 1 if any step fails.
package main
