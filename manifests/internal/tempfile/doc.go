// Package tempfile keeps bytes on disk while they are worked on, in the directory for
// temporary files: documents of a catalog, the files built from them, graph data.
package tempfile
