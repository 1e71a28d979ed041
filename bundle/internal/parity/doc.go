// Package parity rebuilds lost and damaged files of a bundle from others, without a key.
//
// The segments of a bundle are divided into groups. A [Group] has up to N segments and M
// parity files, p-GGG-NN.par, which are computed from the segments by a Reed-Solomon code. A
// shard is what lies at one place in one file, some 64 KiB; the shards that lie at the same
// place in all files of a group are a stripe. A file that is shorter than the longest counts
// as if it went on with zeros. A stripe can be rebuilt as long as no more than M of its
// shards are bad, wherever in the stripe those are.
//
// Each parity file begins and ends with a head, which says what the group is, and a table of
// the checksums of all shards of all files of its group. So one parity file is enough to find
// out which shards are bad.
//
// [Plan] divides segments into groups, [Write] writes the parity files of one, [Look] finds the
// bad shards, and [Survey.Rebuild] writes the files that had them as they were. All work through
// a group from its beginning to its end, in constant memory. Names and sizes come from a
// parity.json that [Check] has taken; see FORMAT.md, section 7.
package parity
