// Package siteconfig reads the configuration of a site: which values the flags of commands
// have where nobody types them.
//
// A file is YAML. Its first key is "satchel: config/1"; "defaults" has values for all
// commands, and the name of a command values for that one alone. [Read] refuses a file that
// others may write to and whatever [Known] does not have, with line and column. An [Entry]
// is one flag in one file, with its place; [Site] has the entries of all files, in order
// of what counts: [Site.Lookup] gives the one that holds for a command.
package siteconfig
