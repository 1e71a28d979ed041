package cluster

import (
	"fmt"
	"strings"
)

// kindQuery is the kind of the marks among the answers: which version of the query it is, what was
// asked for, what was answered, and the end.
const kindQuery = "SatchelQuery"

// queryVersion rises with each kind that the query asks for in addition: what an older one did not
// ask for is not known. 2: MachineConfiguration. 3: OperatorCondition.
const queryVersion = 3

// Query is the line that a person pastes into a shell in which oc is logged in. It fetches what
// [Read] reads into a file, and changes nothing. No Secret is asked for; the role cluster-reader
// is enough. Resources that have a CustomResourceDefinition are asked for only if it is there, so
// the line works on every version, and what was not asked for is known not to be there.
func Query(file string) string {
	var own, custom []string
	for _, k := range kinds {
		switch {
		case k.aside:
		case k.own:
			own = append(own, k.name())
		default:
			custom = append(custom, k.name())
		}
	}
	return strings.Join([]string{
		"(c=$(oc get crd -o name) || exit 1",
		mark("version", fmt.Sprint(queryVersion)),
		fmt.Sprintf(`for r in %s $(echo "$c" | sed 's|.*/||' | grep -xE '%s')`, strings.Join(own, " "), strings.Join(custom, "|")),
		"do " + mark("asked", "$r"),
		`oc get "$r" -A -l '!olm.copiedFrom' -o yaml && ` + mark("answered", "$r"),
		"done",
		"oc get configmaps -n " + namespaceConfig + " -o yaml && " + mark("answered", "configmaps/"+namespaceConfig),
		"echo ---; oc get configmaps -A -l " + labelOurs + "=" + ours + " -o yaml; echo ---",
		"oc get configmap " + adminGates + " -n " + namespaceManaged + " --ignore-not-found -o yaml && echo --- && " +
			"oc get configmaps -n " + namespaceManaged + " -l " + labelSignatures + " -o yaml && " + mark("answered", "configmaps/"+namespaceManaged),
		mark("end", "true") + ") > " + file,
	}, "; ")
}

// mark is a command that writes a mark as a document of YAML.
func mark(key, value string) string {
	return fmt.Sprintf(`printf -- '---\nkind: %s\n%s: %%s\n---\n' %q`, kindQuery, key, value)
}
