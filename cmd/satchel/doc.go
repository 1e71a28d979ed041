// Satchel carries container images across an air gap on removable media.
//
// This package is the command: flags, the order of steps, the terminal, exit
// codes. What the steps do is in packages manifests, transport and bundle, which
// know nothing of each other; here they are wired together.
package main
