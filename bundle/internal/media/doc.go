// Package media is how a bundle touches a drive.
//
// A [Dir] is one bundle directory, opened through os.Root: no name can lead out
// of it, and links are never followed. [Dir.Create] writes a file so that its
// name appears only when its bytes are durable: temporary name, sync, length
// check, rename, sync of the directory. [Dir.Open] reads one, past the page
// cache if asked.
//
// The package also answers what a drive is: how much space is free ([Free]),
// whether a directory is the root of a mount ([IsMountRoot]), and whether the
// drive was away since it was last seen ([Session]).
package media
