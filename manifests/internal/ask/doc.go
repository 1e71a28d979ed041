// Package ask says how images are asked for, and what each part of a configuration wants.
//
// [Images] is all that this host gives: [Resolver] finds images in registries,
// [Fetcher] gets files, [Store] takes content that is built, and what was derived from
// an image, and [Notices] reports what the user should know. A function that needs
// one of them takes that one. [Pin] makes a Resolver ask for each reference once, so
// that a tag that moves meanwhile is one image for the whole run.
//
// An [Image] is what a part of the configuration wants; a [Set] is all that it wants.
// [Unite] makes one of those that are the same image. Errors of this host, such as
// a full disk, are a [HostError], so that no image is blamed for them.
package ask
