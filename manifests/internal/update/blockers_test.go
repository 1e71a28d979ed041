package update

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
)

// cluster416 runs 4.16.9; more are further objects, as YAML.
func cluster416(t *testing.T, more ...string) *cluster.State {
	t.Helper()
	const cv = "{apiVersion: config.openshift.io/v1, kind: ClusterVersion, metadata: {name: version}, spec: {clusterID: one%s}, status: {desired: {version: 4.16.9}, history: [{state: Completed, version: 4.16.9}]%s}}"
	spec, status := "", ""
	var objects []string
	for _, m := range more {
		switch {
		case strings.HasPrefix(m, "spec:"):
			spec = ", " + m[5:]
		case strings.HasPrefix(m, "status:"):
			status = ", " + m[7:]
		default:
			objects = append(objects, m)
		}
	}
	body := "---\n" + strings.Join(append([]string{fmt.Sprintf(cv, spec, status)}, objects...), "\n---\n")
	s, err := cluster.Read("one", strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	return s
}

func payloads(versions ...string) (list []documents.PayloadFacts) {
	before := []string{"4.16.9"}
	for _, v := range versions {
		list = append(list, documents.PayloadFacts{Version: semver.MustParse(v), Architecture: "x86_64", Facts: payload.Facts{Previous: slices.Clone(before)}})
		before = append(before, v)
	}
	return list
}

func csvOf(namespace, name, annotations, phase string) string {
	return fmt.Sprintf("{apiVersion: operators.coreos.com/v1alpha1, kind: ClusterServiceVersion, metadata: {name: %s, namespace: %s, annotations: {%s}}, spec: {version: 1.0.0}, status: {phase: %s, message: broke}}", name, namespace, annotations, phase)
}

func written(most string) string {
	return `operatorframework.io/properties: '{"properties":[{"type":"olm.package","value":{}},{"type":"olm.maxOpenShiftVersion","value":` + most + `}]}'`
}

func conditionOf(apiVersion, kind, name, condition, status string) string {
	return fmt.Sprintf("{apiVersion: %s, kind: %s, metadata: {name: %s}, status: {conditions: [{type: %s, status: '%s', message: says so}]}}", apiVersion, kind, name, condition, status)
}

const (
	configV1 = "config.openshift.io/v1"
	mcoV1    = "machineconfiguration.openshift.io/v1"
)

// TestJudge: each thing that holds an update back is found, and nothing else.
func TestJudge(t *testing.T) {
	t.Parallel()
	gates := "{apiVersion: v1, kind: ConfigMap, metadata: {name: admin-gates, namespace: openshift-config-managed}, data: {ack-4.16-kube-in-4.17: read this, ack-4.15-old: old}}"
	acks := "{apiVersion: v1, kind: ConfigMap, metadata: {name: admin-acks, namespace: openshift-config}, data: {ack-4.16-kube-in-4.17: 'true'}}"
	manual := "{apiVersion: operators.coreos.com/v1alpha1, kind: Subscription, metadata: {name: s, namespace: ops}, spec: {name: p, channel: c, installPlanApproval: Manual}, status: {installedCSV: p.v1, currentCSV: p.v2, installPlanRef: {name: install-x}}}"
	plan := "{apiVersion: operators.coreos.com/v1alpha1, kind: InstallPlan, metadata: {name: install-x, namespace: ops}, spec: {approval: Manual, clusterServiceVersionNames: [p.v2]}, status: {phase: RequiresApproval}}"
	operatorCondition := "{apiVersion: operators.coreos.com/v2, kind: OperatorCondition, metadata: {name: a.v1, namespace: ops}, spec: {conditions: [{type: Upgradeable, status: 'False', message: migrating}]}}"
	overridden := strings.Replace(operatorCondition, "spec: {", "spec: {overrides: [{type: Upgradeable, status: 'True'}], ", 1)
	olm := "{apiVersion: config.openshift.io/v1, kind: ClusterOperator, metadata: {name: olm}, status: {conditions: [{type: Upgradeable, status: 'False', message: 'bundle \"x.v1\" for ClusterExtension \"x\"'}]}}"
	extension := "{apiVersion: olm.operatorframework.io/v1, kind: ClusterExtension, metadata: {name: x}, spec: {source: {catalog: {packageName: x}}}, status: {install: {bundle: {name: x.v1, version: 1.0.0}}}}"
	pool := func(name, spec string) string {
		return fmt.Sprintf("{apiVersion: %s, kind: MachineConfigPool, metadata: {name: %s}, spec: {%s}}", mcoV1, name, spec)
	}
	for name, tc := range map[string]struct {
		to     string
		has    []string
		more   []string
		steps  string
		blocks []string // OBJECT, ! before those that hold
	}{
		"nothing":                        {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", written(`"4.17"`), "Succeeded"), conditionOf(configV1, "ClusterOperator", "dns", "Upgradeable", "True")}, "4.17.3", nil},
		"the release is not there":       {"4.17.3", []string{"4.17.2"}, nil, "", []string{"!release/4.17.3"}},
		"no way":                         {"4.18.3", []string{"4.18.3"}, nil, "", []string{"!release/4.18.3"}},
		"over two":                       {"4.18.3", []string{"4.17.2", "4.18.3"}, nil, "4.17.2 4.18.3", nil},
		"it runs":                        {"4.16.9", nil, nil, "", nil},
		"older":                          {"4.16.3", nil, nil, "", []string{"!clusterversion/version"}},
		"an operator's property":         {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", written(`"4.16"`), "Succeeded")}, "4.17.3", []string{"!ops/clusterserviceversion/a.v1"}},
		"a number, second minor":         {"4.18.3", []string{"4.17.2", "4.18.3"}, []string{csvOf("ops", "a.v1", written("4.17"), "Succeeded")}, "4.17.2 4.18.3", []string{"!ops/clusterserviceversion/a.v1"}},
		"a patch is for all":             {"4.16.10", []string{"4.16.10"}, []string{csvOf("ops", "a.v1", written(`"4.16"`), "Succeeded"), conditionOf(configV1, "ClusterOperator", "dns", "Upgradeable", "False"), gates}, "4.16.10", nil},
		"the author's property":          {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", `olm.properties: '[{"type":"olm.maxOpenShiftVersion","value":"4.16"}]'`, "Succeeded")}, "4.17.3", []string{"!ops/clusterserviceversion/a.v1"}},
		"OLM's counts, not the author's": {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", `olm.properties: '[{"type":"olm.maxOpenShiftVersion","value":"4.16"}]', `+written(`"4.20"`), "Succeeded")}, "4.17.3", nil},
		"a property with a patch":        {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", written(`"4.18.5"`), "Succeeded")}, "4.17.3", []string{"!ops/clusterserviceversion/a.v1"}},
		"a property with a zero":         {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", written(`"4.17.0"`), "Succeeded")}, "4.17.3", nil},
		"a property twice":               {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", strings.Replace(written(`"4.18"`), `{"type":"olm.package","value":{}}`, `{"type":"olm.maxOpenShiftVersion","value":"4.18"}`, 1), "Succeeded")}, "4.17.3", []string{"!ops/clusterserviceversion/a.v1"}},
		"a property that is empty":       {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", written(`""`), "Succeeded")}, "4.17.3", []string{"!ops/clusterserviceversion/a.v1"}},
		"an extension":                   {"4.17.3", []string{"4.17.3"}, []string{olm, extension}, "4.17.3", []string{"!clusteroperator/olm", "!clusterextension/x"}},
		"an operator's condition":        {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", "", "Succeeded"), operatorCondition}, "4.17.3", []string{"ops/operatorcondition/a.v1"}},
		"a condition overridden":         {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", "", "Succeeded"), overridden}, "4.17.3", nil},
		"a cluster operator":             {"4.17.3", []string{"4.17.3"}, []string{conditionOf(configV1, "ClusterOperator", "dns", "Upgradeable", "False")}, "4.17.3", []string{"!clusteroperator/dns"}},
		"a degraded one":                 {"4.17.3", []string{"4.17.3"}, []string{conditionOf(configV1, "ClusterOperator", "dns", "Degraded", "True")}, "4.17.3", []string{"!clusteroperator/dns"}},
		"a gate":                         {"4.17.3", []string{"4.17.3"}, []string{gates}, "4.17.3", []string{"!gate/ack-4.16-kube-in-4.17"}},
		"a gate, acknowledged":           {"4.17.3", []string{"4.17.3"}, []string{gates, acks}, "4.17.3", nil},
		"overrides":                      {"4.16.10", []string{"4.16.10"}, []string{"spec:overrides: [{unmanaged: true}]"}, "4.16.10", []string{"!clusterversion/version"}},
		"under way":                      {"4.16.10", []string{"4.16.10"}, []string{"status:conditions: [{type: Progressing, status: 'True', message: x}]"}, "4.16.10", []string{"!clusterversion/version"}},
		"failed":                         {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", "", "Failed")}, "4.17.3", []string{"ops/clusterserviceversion/a.v1"}},
		"not there yet":                  {"4.17.3", []string{"4.17.3"}, []string{csvOf("ops", "a.v1", "", "Installing")}, "4.17.3", []string{"ops/clusterserviceversion/a.v1"}},
		"waits for approval":             {"4.17.3", []string{"4.17.3"}, []string{manual}, "4.17.3", []string{"ops/subscription/s"}},
		"waits, without a Subscription":  {"4.17.3", []string{"4.17.3"}, []string{plan}, "4.17.3", []string{"ops/installplan/install-x"}},
		"waits, said of the first":       {"4.17.3", []string{"4.17.3"}, []string{manual, plan}, "4.17.3", []string{"ops/subscription/s"}},
		"workers paused":                 {"4.17.3", []string{"4.17.3"}, []string{pool("worker", "paused: true")}, "4.17.3", []string{"machineconfigpool/worker"}},
		"masters paused":                 {"4.17.3", []string{"4.17.3"}, []string{pool("master", "paused: true")}, "4.17.3", []string{"!machineconfigpool/master"}},
		"a degraded pool":                {"4.17.3", []string{"4.17.3"}, []string{conditionOf(mcoV1, "MachineConfigPool", "worker", "Degraded", "True")}, "4.17.3", []string{"!machineconfigpool/worker"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := Judge(cluster416(t, tc.more...), Target{To: semver.MustParse(tc.to), Payloads: payloads(tc.has...)})
			var got []string
			for _, b := range j.Blockers {
				mark := ""
				if b.Holds {
					mark = "!"
				}
				got = append(got, mark+b.Object)
			}
			if !slices.Equal(got, tc.blocks) || strings.Join(j.Steps, " ") != tc.steps {
				t.Errorf("blocks %q, want %q; steps %q, want %q\n%+v", got, tc.blocks, j.Steps, tc.steps, j.Blockers)
			}
			if j.Holds() != slices.ContainsFunc(tc.blocks, func(s string) bool { return s[0] == '!' }) {
				t.Errorf("holds: %v", j.Holds())
			}
		})
	}
}

// TestJudgeAPIs: who uses an API that the target no longer has is named, without the parts of the platform; where that
// was not read, a gate about it says so.
func TestJudgeAPIs(t *testing.T) {
	t.Parallel()
	api := func(removed string, users ...string) string {
		var list []string
		for _, u := range users {
			list = append(list, "{username: '"+u+"', userAgent: tool/1, requestCount: 3}")
		}
		return fmt.Sprintf("{apiVersion: apiserver.openshift.io/v1, kind: APIRequestCount, metadata: {name: widgets.v1beta1.example.io}, spec: {numberOfUsersToReport: 10}, status: {removedInRelease: '%s', requestCount: 3, last24h: [{}, {byNode: [{nodeName: n, byUser: [%s]}]}]}}", removed, strings.Join(list, ", "))
	}
	const name = "ack-4.16-kube-1.30-api-removals-in-4.17"
	gate := "{apiVersion: v1, kind: ConfigMap, metadata: {name: admin-gates, namespace: openshift-config-managed}, data: {" + name + ": read this}}"
	acks := "{apiVersion: v1, kind: ConfigMap, metadata: {name: admin-acks, namespace: openshift-config}, data: {" + name + ": 'true'}}"
	sub := "{apiVersion: operators.coreos.com/v1alpha1, kind: Subscription, metadata: {name: s, namespace: openshift-operators}, spec: {name: p}}"
	platform := []string{"system:kube-controller-manager", "system:serviceaccount:kube-system:namespace-controller", "system:serviceaccount:openshift-x:y"}
	for what, tc := range map[string]struct {
		more []string
		want string
	}{
		"used":            {[]string{api("1.30", append(platform, "system:serviceaccount:shop:ci", "jane")...)}, "apirequestcount/widgets.v1beta1.example.io: Kubernetes 1.30 no longer has it (4.17.3 has 1.30), and it was used within 24 hours by jane (tool/1), system:serviceaccount:shop:ci (tool/1)"},
		"by an operator":  {[]string{sub, api("1.30", "system:serviceaccount:openshift-operators:op")}, "apirequestcount/widgets.v1beta1.example.io: Kubernetes 1.30 no longer has it (4.17.3 has 1.30), and it was used within 24 hours by system:serviceaccount:openshift-operators:op (tool/1)"},
		"by the platform": {[]string{api("1.30", platform...)}, ""},
		"later":           {[]string{api("1.31", "jane")}, ""},
		"it stays":        {[]string{api("", "jane")}, ""},
		"not used":        {[]string{api("1.30")}, ""},
		"not read":        {[]string{gate}, "gate/" + name + ": it is not acknowledged: read this; apirequestcounts: 4.17.3 removes APIs, and which programs use them was not read"},
		"acknowledged":    {[]string{gate, acks}, ""},
	} {
		j := Judge(cluster416(t, tc.more...), Target{To: semver.MustParse("4.17.3"), Payloads: payloads("4.17.3")})
		var got []string
		for _, b := range j.Blockers {
			got = append(got, b.Object+": "+b.Why)
			if b.Holds != strings.HasPrefix(b.Object, "gate/") || b.Do == "" {
				t.Errorf("%s: %+v", what, b)
			}
		}
		if strings.Join(got, "; ") != tc.want {
			t.Errorf("%s: %q, want %q", what, got, tc.want)
		}
	}
	if n := kubernetesOf(semver.MustParse("5.1.0")); n != 37 {
		t.Errorf("5.1 has Kubernetes 1.%d", n)
	}
}

// TestJudgeUnknown: what was not read is said, and of an unknown version nothing is judged.
func TestJudgeUnknown(t *testing.T) {
	t.Parallel()
	j := Judge(cluster416(t), Target{To: semver.MustParse("4.17.3"), Payloads: payloads("4.17.3")})
	if len(j.Unknown) != 1 || !strings.Contains(j.Unknown[0], "MachineConfigPool, Subscription, ClusterServiceVersion, ClusterOperator, ConfigMap") {
		t.Errorf("unknown: %q", j.Unknown)
	}
	s, err := cluster.Read("one", strings.NewReader("---\n"+csvOf("ops", "a.v1", written(`"4.16"`), "Succeeded")))
	if err != nil {
		t.Fatal(err)
	}
	if j = Judge(s, Target{To: semver.MustParse("4.17.3"), Payloads: payloads("4.17.3")}); len(j.Unknown) == 0 || j.Holds() || j.From != "" {
		t.Errorf("%+v", j)
	}
}

// TestJudgeLift: the version that lifts an operator's hold is named, from the contents of catalogs.
func TestJudgeLift(t *testing.T) {
	t.Parallel()
	sub := "{apiVersion: operators.coreos.com/v1alpha1, kind: Subscription, metadata: {name: s, namespace: ops}, spec: {name: p, channel: stable, installPlanApproval: Manual}, status: {installedCSV: a.v1, currentCSV: a.v1}}"
	c := documents.CatalogContents{MostOpenShift: true, Packages: []documents.PackageContents{{Name: "p", Channels: []documents.ChannelContents{{Name: "stable", Versions: []documents.VersionContents{{Version: "1.0.0", Bundle: "a.v1", MostOpenShift: "4.16"}, {Version: "2.0.0", Bundle: "a.v2"}}}}}}}
	j := Judge(cluster416(t, sub, csvOf("ops", "a.v1", written(`"4.16"`), "Succeeded")), Target{To: semver.MustParse("4.17.3"), Payloads: payloads("4.17.3"), Contents: []documents.CatalogContents{c}})
	if len(j.Blockers) != 1 || !strings.Contains(j.Blockers[0].Do, "p 2.0.0 in channel stable") || !strings.Contains(j.Blockers[0].Do, "by hand") {
		t.Errorf("%+v", j.Blockers)
	}
}
