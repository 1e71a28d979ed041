package ask

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	list := []string{"prometheus", "prometheus2", "promotheus", "prometeus", "etcd", "a", "b", "3scale-operator", "aws-load-balancer-operator", "aws-efs-csi-driver-operator"}
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
		{strings.Repeat("x", 1000), ""},
	}
	for _, tc := range tests {
		if got := strings.Join(nearest(tc.name, list), " "); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
