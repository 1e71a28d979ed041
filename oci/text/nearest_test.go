package text

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	list := []string{"prometheus", "prometheus2", "promotheus", "prometeus", "etcd", "a", "b", "3scale-operator", "aws-load-balancer-operator", "aws-efs-csi-driver-operator",
		"4.16.3-x86_64", "4.16.3-aarch64", "4.16.3-s390x", "4.16.3-ppc64le", "4.16.3-multi", "4.16.1-x86_64", "v2.0", "v2.1", "sha256-4.16.3.sig"}
	tests := []struct{ name, want string }{
		{"prometheuss", "prometheus prometheus2 prometeus"},
		{"etc", "etcd"},
		{"etdc", "etcd"},
		{"3scale", "3scale-operator"},
		{"aws", "aws-efs-csi-driver-operator aws-load-balancer-operator"},
		{"etcdd", "etcd"},
		{"x", ""},
		{"aws-load-balancer", "aws-load-balancer-operator"},
		{"aws-load-balncer-operater", "aws-load-balancer-operator"},
		{"", ""},
		{"4.16.3", "4.16.3-aarch64 4.16.3-multi 4.16.3-ppc64le 4.16.3-s390x 4.16.3-x86_64"},
		{"4.16.3-amd64", "4.16.3-aarch64 4.16.3-x86_64"},
		{"4.16.1-x86_64-rc", "4.16.1-x86_64 4.16.3-x86_64"},
		{"v2", "v2.0 v2.1"},
		{strings.Repeat("x", 1000), ""},
	}
	for _, tc := range tests {
		if got := strings.Join(Nearest(tc.name, list), " "); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
