// Package lead is the rules that lead nodes from an image's own name to its place in the
// mirror: which there are, what of them is new and what it does to nodes, which are
// superfluous, and which images no rule may lead to because nodes would refuse them.
package lead
