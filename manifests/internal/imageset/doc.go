// Package imageset reads a configuration: oc-mirror v2's ImageSetConfiguration.
//
// [Parse] reads a file strictly. [Config] is what it says, under the names that it
// has there; [Extra] is what is asked for in addition to the file. Three questions
// are separate: whether the file can be read and does not contradict itself (Parse),
// whether all that it asks for is supported ([Config.CheckSupported]), and whether it
// asks for anything ([Config.CheckNotEmpty]). [Problems] gathers what is wrong, so
// that one run reports everything, each with its line and column as a [ConfigError].
//
// The package asks no registry and knows no image: what a configuration means is
// the matter of the packages that resolve it.
package imageset
