package chart

import "testing"

// TestHasRegistry: what a loose expression finds is an image if it names a registry.
func TestHasRegistry(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"quay.io/a/b:1": true, "localhost/a:1": true, "127.0.0.1:5000/a": true, "registry:5000/a/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": true,
		"info": false, "true": false, "4711": false, "/usr/bin": false, "https://example.com/x": false, "leader election": false, "UTC+1": false,
		"example.com": false, "example.com:443": false, "nginx:1": false, "org/app:1": false, "Quay.io/A/b": false, "a.io/b c": false, "": false, "./x/y": false,
	} {
		if hasRegistry(value) != want {
			t.Errorf("%q: %v", value, !want)
		}
	}
}
