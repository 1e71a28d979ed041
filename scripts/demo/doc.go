// Demo shows satchel at work with nothing but Go installed: go run ./scripts/demo
//
// Two registries run inside this process on 127.0.0.1. The source is filled
// with made-up images: a release payload of 20 components, an operator catalog
// with three packages, and ten images of other kinds. Their names are those that
// such images have, quay.io/... for one; a registries.conf leads these names to
// the source. The real satchel binary, built first, packs them onto a directory
// that stands for the drive and unpacks them into the mirror. Both runs are
// killed half-way by SIGKILL and started again. In the end every digest is
// compared.
//
// Then the source is stopped, and skopeo and podman, where they are installed,
// pull a component by its original name with the registries.conf that satchel
// made. Everything lies in one temporary directory, which is removed. The exit
// code is 1 if any step fails.
package main
