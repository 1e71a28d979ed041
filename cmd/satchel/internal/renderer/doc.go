// Package renderer reads and renders Helm charts in a process of their own.
//
// The templates of a chart are programs: one line of them takes gigabytes or never ends, and nothing
// within a process can stop it. So satchel starts itself once more for each chart, with [Command] as
// its argument. The child reads a request from its standard input and writes the answer to its
// standard output; it gets no environment, and nothing of the run's files or credentials.
//
//	bound      what a child may take: memory, CPU time, time in all
//	child      the process of one chart
//
// A child that passes a bound ends, and so does one whose parent is gone or was interrupted. One
// child runs at a time, so that the memory of several never adds up.
package renderer
