// Package text has the few helpers that write words for people: counts with the
// right plural, lists, and text from elsewhere with nothing in it that commands a
// terminal.
//
// Names that come from registries, catalogs and bundles are not trusted. What goes
// to a terminal passes [Printable]. What goes into a bundle passes [ASCII], because
// the format allows nothing else.
package text
