// Package strict reads one YAML document into Go structs and refuses whatever
// it does not know, naming the place.
//
// [Parse] makes a [Document]; [Document.Decode] fills a struct from it and
// returns the [Places] of everything it read, so that a caller who checks
// meaning later can still point at the line. A path writes where a value
// stands: "mirror.operators[0].catalog"; the top level is "".
//
// Field names come from json tags and match without regard to case, because
// that is how encoding/json reads the same files elsewhere; a key that is there
// twice, in any case, is refused. Values must have the YAML type of their field.
// Anchors, aliases and merge keys work.
//
// Every problem is an *[Error] with line and column. All that a document has
// are reported together, joined, in the order of the file.
package strict
