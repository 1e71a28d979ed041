// Vectors packs the bundles of testdata/vectors by a given build of satchel:
//
//	go run ./scripts/vectors [-faults] -satchel OLD/satchel -packed-by NAME [-only VECTOR] testdata/vectors/NAME
//
// Each vector is a directory with bundle/, key.txt, the age identity that opens it, signers
// (those who are allowed to sign, if it is signed), baseline/ (the bundle that it stands on, if it
// leaves something out), and vector.txt, which says what must happen to a reader. What a version packed
// never changes: a later version adds vectors of its own in a directory of its own.
// The images come from a registry inside this program, so nothing else is needed.
// With -faults each is a bundle with one fault, in its files as they are, or in what is in
// them, sealed again. TestVectors in package bundle reads them all.
package main
