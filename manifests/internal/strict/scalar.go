package strict

import (
	"reflect"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// yaml11 are the words that YAML 1.1 readers, as the one of Kubernetes tools,
// take for a bool and YAML 1.2 takes for strings.
var yaml11 = map[string]bool{
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}

func (d *decoder) scalar(n *yaml.Node, path string, v reflect.Value) {
	tag := ""
	if n.Kind == yaml.ScalarNode {
		tag = n.ShortTag()
	}
	switch v.Kind() {
	case reflect.String:
		d.str(n, tag, path, v)
	case reflect.Bool:
		word, ok := yaml11[n.Value]
		switch {
		case tag == "!!bool" && n.Decode(v.Addr().Interface()) == nil:
		case tag == "!!str" && n.Style == 0 && ok:
			v.SetBool(word)
		default:
			d.fail(posOfNode(n), "%s wants true or false, not %s", path, describe(n))
		}
	case reflect.Int64:
		if tag != "!!int" || n.Decode(v.Addr().Interface()) != nil {
			d.fail(posOfNode(n), "%s must be a whole number, not %s", path, describe(n))
		}
	default:
		d.fail(posOfNode(n), "%s is read into a %s, which has no rule", path, v.Type())
	}
}

func (d *decoder) str(n *yaml.Node, tag, path string, v reflect.Value) {
	switch tag {
	case "!!str", "!!timestamp":
		v.SetString(n.Value)
	case "!!int", "!!float", "!!bool":
		d.fail(posOfNode(n), "%s must be a string, not %s; write it in quotes", path, describe(n))
	default:
		d.fail(posOfNode(n), "%s must be a string, not %s", path, describe(n))
	}
}

// describe says what a node is, for the end of "must be a list, not ...".
func describe(n *yaml.Node) string {
	const longest = 40 // bytes of a value that are repeated in a message
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	short := len(n.Value) <= longest
	switch tag := n.ShortTag(); {
	case tag == "!!int" && short, tag == "!!float" && short:
		return "the number " + n.Value
	case tag == "!!bool" && short:
		return "the bare word " + n.Value
	case tag == "!!str" && short:
		return "the string " + strconv.Quote(n.Value)
	case tag == "!!str":
		return "a string"
	case tag == "!!null":
		return "nothing"
	default:
		return "a value of another kind"
	}
}
