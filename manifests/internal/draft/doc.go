// Package draft writes the ImageSetConfiguration that running clusters need: their release, or the
// way to another one, the operators that they have installed, and the images of their applications.
// It makes no requests; the same clusters always give the same text.
package draft
