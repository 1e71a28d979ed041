package main

import "github.com/satchel-airgap/satchel/transport"

// probeHint says what to do about a problem of a mirror's repository, "" where
// what the registry answered says more.
func probeHint(p transport.Problem) string {
	switch p {
	case transport.ProblemCredentials:
		return "are there credentials for this registry and repository in the file given with --authfile, and are they right?"
	case transport.ProblemDenied:
		return "give this user the right to push (and, to clean up after a probe, to delete), or log in as one who has it (podman login, --authfile)"
	case transport.ProblemReadOnly:
		return "the registry is in maintenance or kept read-only: have it take pushes, then run the same command again"
	case transport.ProblemProject:
		return "create the project or organization in the registry first, or push into one that is there: --to HOST[:PORT]/PROJECT"
	case transport.ProblemDepth:
		return "say how many path components the registry allows, such as --max-nested-paths 2, in every unpack into this mirror"
	case transport.ProblemUntagged:
		return "a mirror must keep images by digest; the registry inside an OpenShift cluster, for one, does not and cannot be a mirror"
	case transport.ProblemSparse:
		return "have the registry take an index whose platforms are not all there (distribution 3: validation.manifests.indexes.platforms: none; Quay: FEATURE_SPARSE_INDEX: true; docker-registry 2.8 and Harbor cannot), or remove platforms from the configuration and pack anew"
	case transport.ProblemFull:
		return "make room on the registry's disk and run the same command again"
	}
	return ""
}
