package audit

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/catalogdiff"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
)

// chain is a channel in which each bundle replaces the one before it; the first replaces what is not there.
func chain(name string, versions ...string) Channel {
	ch := Channel{Name: name, Paths: true}
	for i, v := range versions {
		e := Entry{Name: "p.v" + v, Version: v}
		if i > 0 {
			e.Replaces = "p.v" + versions[i-1]
		}
		ch.Entries, ch.Head = append(ch.Entries, e), e.Name
	}
	return ch
}

func sourceOf(name string, channels ...Channel) Catalog {
	return Catalog{Kind: "CatalogSource", Namespace: "openshift-marketplace", Name: name, Image: "m.example/" + name, Packages: map[string]*Package{"p": {Default: "stable", Channels: channels}}}
}

func subscriptionOf(source, pkg, channel, installed string) string {
	return fmt.Sprintf("{apiVersion: operators.coreos.com/v1alpha1, kind: Subscription, metadata: {name: s, namespace: ops}, spec: {name: %s, channel: '%s', source: %s, sourceNamespace: openshift-marketplace}, status: {installedCSV: '%s'}}", pkg, channel, source, installed)
}

// TestSubscriptions: what the catalogs lack of what a Subscription follows, and of the way to the head.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	cut := chain("stable", "3.0.0")
	from := func(e func(*Entry)) Channel {
		ch := chain("stable", "3.0.0")
		e(&ch.Entries[0])
		return ch
	}
	apart := chain("stable", "1.0.0", "2.0.0")
	apart.Entries = append(apart.Entries, Entry{Name: "p.v3.0.0", Version: "3.0.0"})
	apart.Head = "p.v3.0.0"
	unread := sourceOf("redhat-operators")
	unread.Err = errors.New("it does not answer")
	gone := sourceOf("redhat-operators")
	gone.Gone = true
	carried := func(heads string, versions ...string) Catalog {
		c := documents.CatalogContents{Versions: heads, Packages: []documents.PackageContents{{Name: "p", DefaultChannel: "stable", Channels: []documents.ChannelContents{{Name: "stable", Head: "p.v" + versions[len(versions)-1]}}}}}
		for _, v := range versions {
			ch := &c.Packages[0].Channels[0]
			ch.Versions = append(ch.Versions, documents.VersionContents{Version: v, Bundle: "p.v" + v})
		}
		s := sourceOf("redhat-operators")
		s.Packages = CarriedCatalog(c)
		return s
	}
	csv := "{apiVersion: operators.coreos.com/v1alpha1, kind: ClusterServiceVersion, metadata: {name: odd-name, namespace: ops}, spec: {version: 1.5.0}}"
	starting := strings.Replace(subscriptionOf("redhat-operators", "p", "stable", ""), "channel:", "startingCSV: p.v1.9.0, channel:", 1)
	for name, tc := range map[string]struct {
		catalog Catalog
		sub     string
		want    Lack
	}{
		"at the head":                 {sourceOf("redhat-operators", chain("stable", "1.0.0", "2.0.0")), subscriptionOf("redhat-operators", "p", "stable", "p.v2.0.0"), ""},
		"a chain":                     {sourceOf("redhat-operators", chain("stable", "1.0.0", "2.0.0", "3.0.0")), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), ""},
		"the default channel":         {sourceOf("redhat-operators", chain("stable", "1.0.0")), subscriptionOf("redhat-operators", "p", "", "p.v1.0.0"), ""},
		"no source":                   {sourceOf("other", chain("stable", "1.0.0")), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), LackSource},
		"not read":                    {unread, subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), LackUnread},
		"gone":                        {gone, subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), LackSource},
		"no package":                  {sourceOf("redhat-operators", chain("stable", "1.0.0")), subscriptionOf("redhat-operators", "q", "stable", "q.v1.0.0"), LackPackage},
		"no channel":                  {sourceOf("redhat-operators", chain("stable", "1.0.0")), subscriptionOf("redhat-operators", "p", "fast", "p.v1.0.0"), LackChannel},
		"cut to the head":             {sourceOf("redhat-operators", cut), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), LackPath},
		"the head skips it":           {sourceOf("redhat-operators", from(func(e *Entry) { e.Skips = []string{"p.v1.0.0"} })), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), ""},
		"the head replaces it":        {sourceOf("redhat-operators", from(func(e *Entry) { e.Replaces = "p.v1.0.0" })), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), ""},
		"in its skipRange":            {sourceOf("redhat-operators", from(func(e *Entry) { e.SkipRange = ">=1.0.0 <3.0.0" })), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), ""},
		"by the CSV's version":        {sourceOf("redhat-operators", from(func(e *Entry) { e.SkipRange = ">=1.0.0 <3.0.0" })), subscriptionOf("redhat-operators", "p", "stable", "odd-name") + "\n---\n" + csv, ""},
		"outside of its skipRange":    {sourceOf("redhat-operators", from(func(e *Entry) { e.SkipRange = ">=2.0.0 <3.0.0" })), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), LackPath},
		"newer than the head":         {sourceOf("redhat-operators", from(func(e *Entry) { e.SkipRange = ">=1.0.0 <9.0.0" })), subscriptionOf("redhat-operators", "p", "stable", "p.v4.0.0"), LackPath},
		"in a part of its own":        {sourceOf("redhat-operators", apart), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), LackPath},
		"to be installed":             {sourceOf("redhat-operators", cut), subscriptionOf("redhat-operators", "p", "stable", ""), ""},
		"to begin with what is not":   {sourceOf("redhat-operators", cut), starting, LackVersion},
		"by a bundle":                 {carried("", "1.0.0", "2.0.0"), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), ""},
		"by a bundle, not there":      {carried("", "2.0.0"), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), LackInstalled},
		"by a bundle, the heads only": {carried(documents.VersionsHeads, "2.0.0"), subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), ""},
	} {
		list, n := Subscriptions(readCluster(t, tc.sub), []Catalog{tc.catalog})
		var got Lack
		if len(list) > 0 {
			got = list[0].Lacks
		}
		if got != tc.want || n != 1 {
			t.Errorf("%s: %q of %d, want %q: %+v", name, got, n, tc.want, list)
		}
	}
}

// TestDeadSources: a CatalogSource that nothing serves stops the updates of all that look into its namespace, and is
// said once; one that nobody looks into is not.
func TestDeadSources(t *testing.T) {
	t.Parallel()
	good := sourceOf("redhat-operators", chain("stable", "1.0.0", "2.0.0"))
	dead := func(namespace string) Catalog {
		return Catalog{Kind: "CatalogSource", Namespace: namespace, Name: "community-operators", Image: "q.io/c:1", Gone: true, Why: "m.example/c: it is not there"}
	}
	unread := dead("openshift-marketplace")
	unread.Gone, unread.Err = false, errors.New("it does not answer")
	address := unread
	address.Image = ""
	subs := []string{subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), strings.Replace(subscriptionOf("redhat-operators", "p", "stable", "p.v2.0.0"), "name: s,", "name: t,", 1)}
	for name, tc := range map[string]struct {
		catalog Catalog
		want    Lack
		says    string
	}{
		"global":                {dead("openshift-marketplace"), LackSource, "m.example/c: it is not there. While it is there, OLM updates none of 2 Subscriptions: ops/s, ops/t"},
		"of the namespace":      {dead("ops"), LackSource, "ops/s"},
		"of another":            {dead("other"), "", ""},
		"not read":              {unread, LackUnread, "it does not answer"},
		"served by an address":  {address, "", ""},
		"of OLM v1":             {Catalog{Kind: "ClusterCatalog", Name: "c", Gone: true}, "", ""},
		"a part cannot be read": {func() Catalog { c := good; c.Name, c.Unsure = "again", true; return c }(), "", ""},
	} {
		list, n := Subscriptions(readCluster(t, subs...), []Catalog{good, tc.catalog})
		var got Lack
		if len(list) == 1 {
			got = list[0].Lacks
		}
		if got != tc.want || len(list) > 1 || n != 2 || got != "" && !strings.Contains(list[0].Detail, tc.says) {
			t.Errorf("%s: %q, want %q: %+v", name, got, tc.want, list)
		}
	}
	part := sourceOf("redhat-operators", chain("stable", "3.0.0"))
	part.Unsure = true
	if list, _ := Subscriptions(readCluster(t, subs[0]), []Catalog{part}); len(list) != 1 || list[0].Lacks != LackUnread || list[0].Stops || !strings.Contains(list[0].Detail, "By the rest of it: p.v1.0.0 is not in") {
		t.Errorf("%+v", list)
	}
}

// TestDeprecated: what the catalog says is to go is said of who follows it or has it, and stops nothing.
func TestDeprecated(t *testing.T) {
	t.Parallel()
	c := sourceOf("redhat-operators", chain("stable", "1.0.0", "2.0.0"), chain("fast", "2.5.0"))
	c.Packages["p"].Deprecated = []catalogdiff.Deprecation{{What: "channel stable", Message: "use fast"}, {What: "bundle p.v1.0.0", Message: "old"}, {What: "bundle p.v3.0.0"}}
	v1 := c
	v1.Kind, v1.Namespace = "ClusterCatalog", ""
	all := sourceOf("redhat-operators", chain("fast", "2.5.0"))
	all.Packages["p"].Deprecated = []catalogdiff.Deprecation{{What: "package", Message: "it ends"}}
	const extension = "{apiVersion: olm.operatorframework.io/v1, kind: ClusterExtension, metadata: {name: x}, spec: {source: {catalog: {packageName: p, channels: [fast, stable]}}}, status: {install: {bundle: {name: p.v2.0.0}}}}"
	for name, tc := range map[string]struct {
		catalog Catalog
		object  string
		want    string
	}{
		"its channel and bundle": {c, subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), "channel stable is deprecated: use fast; bundle p.v1.0.0 is deprecated: old"},
		"the default channel":    {c, subscriptionOf("redhat-operators", "p", "", "p.v2.0.0"), "channel stable is deprecated: use fast"},
		"another channel":        {c, subscriptionOf("redhat-operators", "p", "fast", "p.v2.5.0"), ""},
		"another catalog":        {c, subscriptionOf("other", "p", "stable", "p.v1.0.0"), ""},
		"the package":            {all, subscriptionOf("redhat-operators", "p", "fast", ""), "package is deprecated: it ends"},
		"an extension":           {v1, extension, "channel stable is deprecated: use fast"},
	} {
		var got []string
		for _, o := range Deprecated(readCluster(t, tc.object), []Catalog{tc.catalog}) {
			_, what, _ := strings.Cut(o.Detail, "says that the ")
			if got = append(got, what); o.Stops || o.Lacks != LackFuture {
				t.Errorf("%s: %+v", name, o)
			}
		}
		if strings.Join(got, "; ") != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

// TestInstallPlans: one that failed, or is to install what no catalog has, is found; earlier ones, and those that
// nobody can judge, are not.
func TestInstallPlans(t *testing.T) {
	t.Parallel()
	plan := func(name string, generation int, phase, bundle string) string {
		return fmt.Sprintf("{apiVersion: operators.coreos.com/v1alpha1, kind: InstallPlan, metadata: {name: %s, namespace: ops}, spec: {approval: Manual, generation: %d, clusterServiceVersionNames: [%s]}, status: {phase: %s, catalogSources: [redhat-operators], plan: [{resolving: x}], conditions: [{type: Installed, status: 'False', message: no such image}]}}", name, generation, bundle, phase)
	}
	names := strings.Replace(subscriptionOf("redhat-operators", "p", "stable", "p.v1.0.0"), "status: {", "status: {installPlanRef: {name: one}, ", 1)
	c := sourceOf("redhat-operators", chain("stable", "1.0.0", "2.0.0"))
	unread := c
	unread.Err = errors.New("away")
	for name, tc := range map[string]struct {
		catalog Catalog
		objects []string
		want    string
	}{
		"failed":                 {c, []string{names, plan("one", 1, "Failed", "p.v2.0.0")}, "one plan: it failed: no such image"},
		"waits":                  {c, []string{names, plan("one", 1, "RequiresApproval", "p.v2.0.0")}, ""},
		"waits for what is gone": {c, []string{names, plan("one", 1, "RequiresApproval", "p.v1.9.0")}, "one version: it is to install p.v1.9.0, which the catalogs after the cut do not have"},
		"done":                   {c, []string{names, plan("one", 1, "Complete", "p.v1.9.0")}, ""},
		"an earlier one":         {c, []string{names, plan("one", 2, "Complete", "p.v2.0.0"), plan("old", 1, "Failed", "p.v1.9.0")}, ""},
		"the newest":             {c, []string{plan("two", 2, "Failed", "p.v2.0.0"), plan("old", 1, "Failed", "p.v1.9.0")}, "two plan: it failed: no such image"},
		"it was not read":        {unread, []string{names, plan("one", 1, "RequiresApproval", "p.v1.9.0")}, ""},
		"nobody serves that":     {sourceOf("other"), []string{names, plan("one", 1, "RequiresApproval", "p.v2.0.0")}, "one version: it is to install p.v2.0.0, which the catalogs after the cut do not have"},
	} {
		var got []string
		for _, o := range InstallPlans(readCluster(t, tc.objects...), []Catalog{tc.catalog}) {
			got = append(got, o.Name+" "+string(o.Lacks)+": "+o.Detail)
		}
		if strings.Join(got, "; ") != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	wants := Wanted(readCluster(t, plan("one", 1, "RequiresApproval", "dep.v1")))
	if !wants(&catalog.Package{Name: "dep", Bundles: []catalog.Bundle{{Name: "dep.v1"}}}) || wants(&catalog.Package{Name: "other"}) {
		t.Error("the package of a dependency is not read, or all are")
	}
}

// TestExtensions: the same for what OLM v1 installs, from the catalogs that each selects.
func TestExtensions(t *testing.T) {
	t.Parallel()
	catalog := func(name string, labels map[string]string, channels ...Channel) Catalog {
		c := sourceOf(name, channels...)
		c.Kind, c.Namespace, c.Labels = "ClusterCatalog", "", labels
		return c
	}
	extension := func(of, installed, version string) string {
		return fmt.Sprintf("{apiVersion: olm.operatorframework.io/v1, kind: ClusterExtension, metadata: {name: x}, spec: {source: {catalog: {packageName: p%s}}}, status: {install: {bundle: {name: '%s', version: '%s'}}}}", of, installed, version)
	}
	ours := catalog("satchel-redhat", map[string]string{"team": "ours"}, chain("stable", "1.0.0", "2.0.0"), chain("fast", "2.5.0"))
	unread := catalog("gone", nil)
	unread.Err, unread.Packages = errors.New("it does not answer"), nil
	gone := catalog("gone", nil)
	gone.Gone, gone.Packages = true, nil
	twin := catalog("twin", nil, chain("stable", "1.0.0", "2.0.0"))
	below := twin
	below.Priority = -100
	const selects = ", selector: {matchLabels: {olm.operatorframework.io/metadata.name: %s}}"
	for name, tc := range map[string]struct {
		catalogs []Catalog
		x        string
		want     Lack
	}{
		"any catalog":          {[]Catalog{ours}, extension("", "p.v1.0.0", "1.0.0"), ""},
		"by name":              {[]Catalog{ours}, extension(fmt.Sprintf(selects, "satchel-redhat"), "p.v1.0.0", "1.0.0"), ""},
		"a default one":        {[]Catalog{ours}, extension(fmt.Sprintf(selects, "openshift-redhat-operators"), "p.v1.0.0", "1.0.0"), LackSource},
		"by an expression":     {[]Catalog{ours}, extension(", selector: {matchExpressions: [{key: team, operator: In, values: [theirs]}]}", "", ""), LackSource},
		"a wrong selector":     {[]Catalog{ours}, extension(", selector: {matchExpressions: [{key: team, operator: Like}]}", "", ""), LackSource},
		"not a CatalogSource":  {[]Catalog{sourceOf("redhat-operators", chain("stable", "1.0.0"))}, extension("", "", ""), LackSource},
		"not read":             {[]Catalog{unread}, extension("", "", ""), LackUnread},
		"no package":           {[]Catalog{ours}, strings.Replace(extension("", "", ""), "packageName: p", "packageName: q", 1), LackPackage},
		"no channel":           {[]Catalog{ours}, extension(", channels: [eus]", "", ""), LackChannel},
		"a channel":            {[]Catalog{ours}, extension(", channels: [fast]", "p.v2.0.0", "2.0.0"), LackPath},
		"one of its channels":  {[]Catalog{ours}, extension(", channels: [fast, stable]", "p.v1.0.0", "1.0.0"), ""},
		"a range":              {[]Catalog{ours}, extension(", version: '>=1.0.0 <2.0.0'", "p.v1.0.0", "1.0.0"), ""},
		"no version of it":     {[]Catalog{ours}, extension(", version: '3.x'", "p.v1.0.0", "1.0.0"), LackVersion},
		"no range":             {[]Catalog{ours}, extension(", version: 'x y'", "", ""), LackVersion},
		"no path":              {[]Catalog{catalog("c", nil, chain("stable", "3.0.0"))}, extension("", "p.v1.0.0", "1.0.0"), LackPath},
		"it may go anywhere":   {[]Catalog{catalog("c", nil, chain("stable", "3.0.0"))}, extension(", upgradeConstraintPolicy: SelfCertified", "p.v1.0.0", "1.0.0"), ""},
		"one not read":         {[]Catalog{ours, unread}, extension("", "", ""), LackUnread},
		"one gone":             {[]Catalog{ours, gone}, extension("", "", ""), LackSource},
		"two of one priority":  {[]Catalog{ours, twin}, extension("", "p.v1.0.0", "1.0.0"), LackPriority},
		"two, one below":       {[]Catalog{below, ours}, extension("", "p.v1.0.0", "1.0.0"), ""},
		"two, one fits":        {[]Catalog{ours, twin}, extension(", channels: [fast]", "", ""), ""},
		"in the second of two": {[]Catalog{{Kind: "ClusterCatalog", Name: "other"}, ours}, extension("", "p.v2.0.0", "2.0.0"), ""},
	} {
		list, n := Extensions(readCluster(t, tc.x), tc.catalogs)
		var got Lack
		if len(list) > 0 {
			got = list[0].Lacks
		}
		if got != tc.want || n != 1 {
			t.Errorf("%s: %q of %d, want %q: %+v", name, got, n, tc.want, list)
		}
	}
}
