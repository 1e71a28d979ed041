// Satchel carries container images across an air gap on removable media.
//
// This package is the command, what a person sees: commands, flags, the terminal, exit
// codes, tables. What the commands do is in packages of their own below internal: prepare
// (what pack and plan share), pack, plan, unpack (which renders too) and inspect. They
// know no flags and no terminal: their lines and progress come through package notice.
package main
