// Package matrixtest tries satchel with registries that run here: each as mirror and
// as source, with and without TLS, a password, a token service. docs/registries.md has
// the table; TestTable holds it to what the tests run.
//
// It is a module of its own: what it needs is no part of the module that satchel is
// built from. Zot is run where SATCHEL_ZOT names it, as make soak does.
package matrixtest
