// Package places knows where the drives of a bundle go, and decides what goes on which of them. pack
// writes by it and plan counts by it, so that the two agree.
//
//	place     a directory that drives go to
//	slot      a place for one drive after another: the root of a mounted drive
//	staging   a place in which each drive gets a directory: any other directory
//	together  drives that are all there until the bundle is finished, so that parity can go across them
//
// [Find] finds out what the directories are, [Places.Spread] puts the bundle on them.
package places
