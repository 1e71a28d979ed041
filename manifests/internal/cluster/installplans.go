package cluster

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Phases of an [InstallPlan] that has not ended well (operator-framework/api, v1alpha1).
const (
	PlanWaits  = "RequiresApproval"
	PlanFailed = "Failed"
)

// InstallPlan is what OLM is to install in a namespace, and has not installed.
type InstallPlan struct {
	Namespace, Name string
	Phase           string
	Bundles         []string // the names of their ClusterServiceVersions
	Catalogs        []string // the names of the CatalogSources that they are from; none: not known
	Wrong           string   // what its conditions say, if it failed
}

// InstallPlans lists those that count now and are not done: those that Subscriptions of their namespace name, or
// where none names any, the newest. OLM keeps earlier ones, which nobody looks at any more.
func (s *State) InstallPlans() (list []InstallPlan) {
	named, newest := s.namedPlans(), map[string]int{}
	type plan struct {
		InstallPlan
		generation int
	}
	var all []plan
	for _, o := range s.Of("InstallPlan") {
		var in struct {
			Spec struct {
				Bundles    []string `json:"clusterServiceVersionNames"`
				Generation int      `json:"generation"`
			} `json:"spec"`
			Status struct {
				Phase      string                                     `json:"phase"`
				Message    string                                     `json:"message"`
				Catalogs   []string                                   `json:"catalogSources"`
				Conditions []struct{ Status, Reason, Message string } `json:"conditions"`
			} `json:"status"`
		}
		if json.Unmarshal(o.Body, &in) != nil {
			continue
		}
		wrong := in.Status.Message
		for _, c := range in.Status.Conditions {
			if c.Status == "False" {
				wrong = cmp.Or(wrong, c.Message, c.Reason)
			}
		}
		one := plan{InstallPlan{Namespace: o.Namespace, Name: o.Name, Phase: in.Status.Phase, Bundles: in.Spec.Bundles, Catalogs: in.Status.Catalogs,
			Wrong: text.ASCII(text.Cut(text.OneLine(wrong), 240))}, in.Spec.Generation}
		all = append(all, one)
		newest[o.Namespace] = max(newest[o.Namespace], one.generation)
	}
	for _, p := range all {
		of, known := named[p.Namespace]
		if known && slices.Contains(of, p.Name) || !known && p.generation == newest[p.Namespace] {
			list = append(list, p.InstallPlan)
		}
	}
	return list
}

// namedPlans are the InstallPlans that Subscriptions name, by namespace.
func (s *State) namedPlans() map[string][]string {
	named := map[string][]string{}
	for _, o := range s.Of("Subscription") {
		var in struct {
			Status struct {
				Plan struct{ Name string } `json:"installPlanRef"`
			} `json:"status"`
		}
		if json.Unmarshal(o.Body, &in) == nil && in.Status.Plan.Name != "" {
			named[o.Namespace] = append(named[o.Namespace], in.Status.Plan.Name)
		}
	}
	return named
}
