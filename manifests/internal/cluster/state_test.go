package cluster

import (
	"encoding/json"
	"testing"
)

// TestState: what was asked for and is not there is known to be missing; what runs is the newest
// release that was installed whole.
func TestState(t *testing.T) {
	t.Parallel()
	cv := Object{APIVersion: "config.openshift.io/v1", Kind: "ClusterVersion", Name: "version", Body: json.RawMessage(`{"status":{"desired":{"version":"4.17.2"},"history":[{"state":"Partial","version":"4.17.2"},{"state":"Completed","version":"4.16.9"}]}}`)}
	s := NewState("one", []Object{cv, {Kind: "Pod", Namespace: "b", Name: "x"}, {Kind: "Pod", Namespace: "a", Name: "y"}}, "ImageContentSourcePolicy")
	if v, ok := s.Running(); !ok || v.String() != "4.16.9" {
		t.Errorf("running %v, %v", v, ok)
	}
	if !s.Known("ImageContentSourcePolicy") || s.Known("ImageDigestMirrorSet") || cv.Group() != "config.openshift.io" {
		t.Error("what was asked for is not what is known")
	}
	if pods := s.Of("Pod"); len(pods) != 2 || pods[0].Name != "y" {
		t.Errorf("pods %v", pods)
	}
	if _, ok := s.One("Pod", "b", "x"); !ok {
		t.Error("a pod is not found")
	}
	var nothing *State
	if _, ok := nothing.Running(); ok || nothing.Known("Pod") || nothing.Of("Pod") != nil {
		t.Error("nothing is known, and something is said")
	}
	if v, ok := (&State{Version: "4.18.1"}).Running(); !ok || v.Minor != 18 {
		t.Errorf("given by hand: %v", v)
	}
}
