// Package watch ends requests that stand still, and marks answers that end before their content does.
package watch
