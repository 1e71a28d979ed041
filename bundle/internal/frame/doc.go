// Package frame lays a stream of bytes into a file of zstd's seekable format
// and reads any range of it back.
//
// A [Writer] collects up to [MaxContent] bytes and writes them as one zstd frame;
// [Writer.Close] appends the seek table, a skippable frame that gives each
// frame's compressed and decompressed size. `zstd -d` reads such a file as it
// reads any other. A [Table] is the seek table read back; with it, a range of
// the stream is read by decompressing the frames that cover it and no others.
//
// Format: facebook/zstd, contrib/seekable_format/zstd_seekable_compression_format.md,
// version 0.1.0, without checksums: the bytes are authenticated by age.
package frame
