package compare

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// thisCentury tells times of the run from those that the requests choose, in ms.
const thisCentury = 1_600_000_000_000

// unordered are arrays whose order in the reference is that of a hash table,
// by API and field.
var unordered = map[string]bool{
	"Metadata.Topics": true, "Metadata.Partitions": true, "DescribeConfigs.Configs": true, "CreateTopics.Configs": true, "DescribeLogDirs.Topics": true, "DescribeLogDirs.Partitions": true,
	"AlterReplicaLogDirs.Topics": true, "AlterReplicaLogDirs.Partitions": true, "DeleteRecords.Topics": true, "DeleteRecords.Partitions": true, "Produce.Topics": true, "Produce.Partitions": true,
	"OffsetCommit.Topics": true, "OffsetCommit.Partitions": true, "OffsetDelete.Topics": true, "OffsetDelete.Partitions": true, "OffsetFetch.Topics": true, "OffsetFetch.Partitions": true,
	"DeleteGroups.Groups": true, "ListGroups.Groups": true,
	"AlterPartitionAssignments.Topics": true, "AlterPartitionAssignments.Partitions": true,
	"UpdateFeatures.Results": true, "ListTransactions.UnknownStateFilters": true,
}

// tree turns an answer into maps, slices and plain values that two brokers can
// have in common.
func (s *side) tree(o outcome) any {
	if o.resp == nil {
		return o.end
	}
	out := s.value(reflect.ValueOf(o.resp).Elem(), kmsg.NameForKey(o.resp.Key()), "").(map[string]any)
	if o.end != "" {
		out["bytes"] = o.end
	}
	return out
}

func (s *side) value(v reflect.Value, api, field string) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return s.value(v.Elem(), api, field)
	case reflect.Struct:
		if tags, ok := v.Interface().(kmsg.Tags); ok {
			return tagsText(tags)
		}
		out := make(map[string]any)
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if name == "Version" {
				continue
			}
			out[name] = s.value(v.Field(i), api, name)
		}
		if out["Name"] == "zookeeper.connect" { // the harness gives it to one of them
			return map[string]any{"Name": "zookeeper.connect"}
		}
		return out
	case reflect.Slice:
		return s.array(v, api, field)
	case reflect.Array:
		return s.idName(v.Interface().([16]byte))
	case reflect.String:
		return s.text(v.String(), field)
	case reflect.Bool:
		return v.Bool()
	case reflect.Float64:
		return v.Float()
	default:
		return number(v.Int(), field)
	}
}

func tagsText(tags kmsg.Tags) any {
	text := map[string]any{}
	tags.Each(func(tag uint32, b []byte) { text[fmt.Sprint(tag)] = fmt.Sprintf("%x", b) })
	return text
}

func (s *side) array(v reflect.Value, api, field string) any {
	if v.IsNil() {
		return nil
	}
	if field == "RecordBatches" {
		return recordsText(v.Bytes())
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return fmt.Sprintf("%x", v.Bytes())
	}
	out := make([]any, 0, v.Len())
	for i := range v.Len() {
		e := s.value(v.Index(i), api, field)
		if m, ok := e.(map[string]any); ok && m["Group"] == stuckGroup {
			continue
		}
		out = append(out, e)
	}
	if unordered[api+"."+field] {
		slices.SortStableFunc(out, func(a, b any) int { return strings.Compare(nameOf(a)+asJSON(a), nameOf(b)+asJSON(b)) })
	}
	return out
}

func (s *side) idName(id [16]byte) string {
	if id == [16]byte{} {
		return "none"
	}
	if name, ok := s.names[id]; ok {
		return "id of " + name
	}
	return fmt.Sprintf("%x", id)
}

// text takes out what names this broker. Messages for people are equal when
// both are there.
func (s *side) text(t, field string) string {
	switch field {
	case "MemberID", "LeaderID":
		t = madeUp.ReplaceAllString(t, "<id>")
	case "ClusterID", "ErrorMessage", "Documentation":
		if t != "" {
			return "<" + field + ">"
		}
	}
	t = strings.ReplaceAll(t, s.broker.LogDir, "<log dir>")
	t = strings.ReplaceAll(t, s.broker.Addr, "<address>")
	return wrongText.ReplaceAllString(strings.ToValidUTF8(t, "\ufffd"), "\ufffd")
}

// madeUp is the part of a member's id that the broker makes up.
var madeUp = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// wrongText is what Java makes of bytes that are no UTF-8.
var wrongText = regexp.MustCompile("\ufffd+")

func number(n int64, field string) any {
	switch field {
	case "Port", "ProducerID", "TotalBytes", "UsableBytes":
		if n >= 0 {
			return "<" + field + ">"
		}
	case "SessionID":
		if n != 0 {
			return "<" + field + ">"
		}
	}
	if n >= thisCentury && n < 2*thisCentury {
		return "<now>"
	}
	return n
}

func asJSON(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
