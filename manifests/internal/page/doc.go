// Package page writes the pages that a person follows at a cluster: Markdown with
// numbered steps, and commands to paste.
//
// A [Page] takes text, commands ([Page.Run]) and lists in the order in which they
// are read. A part where nothing is to be done gets no step: [Page.Nothing] notes
// it for the top of the page. [Page.Drains] and [Page.Reboots] say what a command
// does to the nodes, and stand before it.
//
// What comes from elsewhere is made harmless first: [Markdown] for a line of text,
// [Shell] for a word of a command.
package page
