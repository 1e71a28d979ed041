// Package quirktest gives tests the registries of vendors that cannot run here:
// Quay, Harbor, Artifactory, Nexus, GitLab and ECR.
//
// Each is the same honest registry in memory (store), with TLS, a login, and
// quirks in front of it: what that vendor does otherwise, by its documents and by
// public reports, which its file names. They are no copies of these products:
// only what is written there differs. [Server.Met] says which quirks a run has met,
// so that a test knows that they stood in the way.
package quirktest
