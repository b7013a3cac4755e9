package compare

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// gap is one place where the two answers differ.
type gap struct {
	path          string
	klamm, apache any
}

// missing stands for an element that only the other answer has.
const missing = "<missing>"

// compare lists where two trees differ.
func compare(klamm, apache any, path string) []gap {
	if km, ok := klamm.(map[string]any); ok {
		if am, ok := apache.(map[string]any); ok {
			return compareStructs(km, am, path)
		}
	}
	if ka, ok := klamm.([]any); ok {
		if aa, ok := apache.([]any); ok {
			return compareArrays(ka, aa, path)
		}
	}
	if reflect.DeepEqual(klamm, apache) {
		return nil
	}
	return []gap{{path, klamm, apache}}
}

func compareStructs(klamm, apache map[string]any, path string) (gaps []gap) {
	both := maps.Clone(klamm)
	maps.Copy(both, apache)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		k, inKlamm := klamm[name]
		a, inApache := apache[name]
		if !inKlamm {
			k = missing
		}
		if !inApache {
			a = missing
		}
		gaps = append(gaps, compare(k, a, path+"."+name)...)
	}
	return gaps
}

// compareArrays pairs elements by name when each has a name and no two have the same, and
// compares their order, too. It pairs other elements by position.
func compareArrays(klamm, apache []any, path string) (gaps []gap) {
	kn, kok := namesOf(klamm)
	an, aok := namesOf(apache)
	if !kok || !aok {
		if len(klamm) != len(apache) {
			return []gap{{path + ".length", len(klamm), len(apache)}, {path, klamm, apache}}
		}
		for i := range klamm {
			gaps = append(gaps, compare(klamm[i], apache[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
		return gaps
	}
	same := len(kn) == len(an)
	for i, name := range kn {
		at := fmt.Sprintf("%s[%s]", path, name)
		if j := slices.Index(an, name); j >= 0 {
			gaps = append(gaps, compare(klamm[i], apache[j], at)...)
		} else {
			same = false
			gaps = append(gaps, gap{at, klamm[i], missing})
		}
	}
	for j, name := range an {
		if !slices.Contains(kn, name) {
			same = false
			gaps = append(gaps, gap{fmt.Sprintf("%s[%s]", path, name), missing, apache[j]})
		}
	}
	if same && !slices.Equal(kn, an) {
		gaps = append(gaps, gap{path + ".order", strings.Join(kn, " "), strings.Join(an, " ")})
	}
	return gaps
}

// naming are the fields that tell elements of one array from each other.
var naming = []string{"Topic", "TopicID", "Partition", "ResourceType", "ResourceName", "Name", "Dir", "NodeID", "ApiKey", "Key", "Group", "MemberID", "Feature", "TransactionalID"}

// nameOf is what names an element; empty for none.
func nameOf(element any) string {
	m, isStruct := element.(map[string]any)
	if !isStruct {
		return ""
	}
	var parts []string
	for _, f := range naming {
		if v, has := m[f]; has && v != nil {
			parts = append(parts, fmt.Sprint(v))
		}
	}
	return strings.Join(parts, ":")
}

// namesOf gives the names of elements, and whether each has a name and no two have the
// same.
func namesOf(elements []any) (names []string, ok bool) {
	seen := map[string]bool{}
	for _, e := range elements {
		if _, isStruct := e.(map[string]any); !isStruct {
			return nil, false
		}
		name := nameOf(e)
		if seen[name] {
			return nil, false
		}
		seen[name] = true
		names = append(names, name)
	}
	return names, true
}
