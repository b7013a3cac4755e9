package scripts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
	"klamm/cmd/scripts/jopt"
)

// deleteRecordsScript is kafka-delete-records: org.apache.kafka.tools.DeleteRecordsCommand.
func deleteRecordsScript() *Script {
	return &Script{Name: "kafka-delete-records", Does: "Deletes the records before an offset.",
		parser: func() *jopt.Parser { return newDeleteRecordsOptions().p }, run: runDeleteRecords}
}

type deleteRecordsOptions struct {
	p                              *jopt.Parser
	bootstrap, file, commandConfig *jopt.Option
}

func newDeleteRecordsOptions() *deleteRecordsOptions {
	p := jopt.New()
	return &deleteRecordsOptions{p,
		p.Accepts("bootstrap-server", "Required: the brokers to connect to.").Needs("server(s) to use for bootstrapping"),
		p.Accepts("offset-json-file", `Required: the file with the offsets, {"partitions": [{"topic": "foo", "partition": 1, "offset": 1}], "version": 1}.`).Needs("Offset json file path"),
		p.Accepts("command-config", "A properties file of a Java client, for the connection.").Needs("command config property file path")}
}

// plainly ends a script with an error's message on standard error.
func plainly(err error) error {
	if stop := new(exit); err == nil || errors.As(err, &stop) {
		return err
	}
	return &exit{1, err.Error()}
}

func runDeleteRecords(ctx context.Context, c *call) error {
	return plainly(deleteRecords(ctx, c, newDeleteRecordsOptions()))
}

func deleteRecords(ctx context.Context, c *call, o *deleteRecordsOptions) error {
	opts, err := c.parse(o.p, "This tool helps to delete records of the given partitions down to the specified offset.")
	if err != nil {
		return err
	}
	if err := requireOptions(o.p, opts, o.bootstrap, o.file); err != nil {
		return err
	}
	a, err := dialWith(ctx, opts, o.bootstrap, o.commandConfig)
	if err != nil {
		return err
	}
	defer a.close()
	path, err := opts.Value(o.file)
	if err != nil {
		return err
	}
	text, err := readFile(path)
	if err != nil {
		return err
	}
	offsets, err := offsetsIn(text)
	if err != nil {
		return err
	}
	c.println("Executing records delete operation")
	told := a.deleteRecords(ctx, offsets)
	c.println("Records delete operation completed:")
	for p := range offsets.All() {
		if answer := told[p]; answer.err != nil {
			c.printf("partition: %s\terror: %s\n", p, answer.err.String())
		} else {
			c.printf("partition: %s\tlow_watermark: %d\n", p, answer.offset)
		}
	}
	return nil
}

// offsetsIn reads a file with offsets.
func offsetsIn(text string) (*tpMap[int64], error) {
	var file struct {
		Version    *int `json:"version"`
		Partitions *[]struct {
			Topic     *string `json:"topic"`
			Partition *int32  `json:"partition"`
			Offset    *int64  `json:"offset"`
		} `json:"partitions"`
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return nil, operationFailed("The input string is not a valid JSON")
	}
	if file.Version != nil && *file.Version != 1 {
		return nil, operationFailed("Not supported version field value %d", *file.Version)
	}
	if file.Partitions == nil {
		return nil, operationFailed("Missing partitions field")
	}
	all := newTPMap[int64]()
	var parts []javalib.TopicPartition
	for _, p := range *file.Partitions {
		switch {
		case p.Topic == nil:
			return nil, operationFailed("No such field exists: `topic`")
		case p.Partition == nil:
			return nil, operationFailed("No such field exists: `partition`")
		case p.Offset == nil:
			return nil, operationFailed("No such field exists: `offset`")
		}
		at := javalib.TopicPartition{Topic: *p.Topic, Partition: *p.Partition}
		parts = append(parts, at)
		all.Put(at, *p.Offset)
	}
	if twice := duplicates(javalib.TopicPartition.Hash, parts); len(twice) > 0 {
		return nil, commandFailed("Offset json file contains duplicate topic partitions: %s", joined(twice))
	}
	return all, nil
}

// deleteRecords deletes records before offsets; the answers have where the logs begin then.
func (a *admin) deleteRecords(ctx context.Context, offsets *tpMap[int64]) map[javalib.TopicPartition]offsetAnswer {
	told := map[javalib.TopicPartition]offsetAnswer{}
	if offsets.Len() == 0 {
		return told
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	for topic, numbers := range byTopic(offsets.Keys()) {
		t := kmsg.NewDeleteRecordsRequestTopic()
		t.Topic = topic
		for _, n := range numbers {
			p := kmsg.NewDeleteRecordsRequestTopicPartition()
			p.Partition, p.Offset = n, offsets.Get(javalib.TopicPartition{Topic: topic, Partition: n})
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	for _, s := range a.client.RequestSharded(ctx, req) {
		if s.Err != nil {
			for _, t := range s.Req.(*kmsg.DeleteRecordsRequest).Topics {
				for _, p := range t.Partitions {
					told[javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = offsetAnswer{-1, javalib.OfError(s.Err)}
				}
			}
			continue
		}
		for _, t := range s.Resp.(*kmsg.DeleteRecordsResponse).Topics {
			for _, p := range t.Partitions {
				told[javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = offsetAnswer{p.LowWatermark, javalib.FromCode(p.ErrorCode, nil)}
			}
		}
	}
	return told
}

// jsonText writes a text as JSON.
func jsonText(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""` // a text always is JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
