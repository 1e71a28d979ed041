// Package clusters reads what clusters are, from the files and directories that a person names.
package clusters
