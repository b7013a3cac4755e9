package groupcoord

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"

	"klamm/protocol"
	"klamm/protocol/batch"
)

// replay rebuilds the groups of a partition of __consumer_offsets from its records (GroupMetadataManager.doLoadGroupsAndOffsets).
// It skips a record that makes no sense, since the others do not depend on it.
type replay struct {
	config *Config
	groups map[string]*group
	kept   map[string]*offsets // by group, also of groups without a record of their own
	// open are the offsets of transactions that have not ended, by producer id and group.
	open map[int64]map[string]*offsets
	tell func(offset int64, err error) // is called for each record or batch that makes no sense

	records int
	skipped int // records and batches that make no sense
	unknown int // records that only newer brokers know
}

func newReplay(config *Config, tell func(offset int64, err error)) *replay {
	return &replay{config: config, groups: map[string]*group{}, kept: map[string]*offsets{}, open: map[int64]map[string]*offsets{}, tell: tell}
}

// skip counts a record or batch that cannot be read.
func (p *replay) skip(offset int64, err error) {
	if errors.Is(err, errUnknownVersion) {
		p.unknown++
		return
	}
	p.skipped++
	p.tell(offset, err)
}

// batch replays one batch. It keeps none of its bytes.
func (p *replay) batch(b []byte, h *batch.Header) {
	for rec, err := range batch.Records(b, 0) {
		if err != nil {
			p.skip(h.BaseOffset, err)
			return
		}
		p.records++
		if h.Control() {
			p.marker(h, rec.Key)
			return
		}
		if err := p.record(h, rec.Key, rec.Value); err != nil {
			p.skip(rec.Offset, err)
		}
	}
}

// marker ends a transaction: its offsets become the group's if it was committed, and are dropped if not.
func (p *replay) marker(h *batch.Header, key []byte) {
	const committed = 1
	if len(key) >= 4 && binary.BigEndian.Uint16(key[2:]) == committed {
		for group, o := range p.open[h.ProducerID] {
			for topic, of := range o.topics {
				for partition, c := range of.all() {
					p.of(p.kept, group).put(topic, partition, c)
				}
			}
		}
	}
	delete(p.open, h.ProducerID)
}

func (p *replay) record(h *batch.Header, k, value []byte) error {
	group, topic, partition, err := readKey(k)
	if err != nil {
		return err
	}
	if topic == nil {
		return p.group(group, value)
	}
	in := p.kept
	if h.Transactional() {
		if in = p.open[h.ProducerID]; in == nil {
			in = map[string]*offsets{}
			p.open[h.ProducerID] = in
		}
	}
	if value == nil {
		if o := in[group]; o != nil {
			o.drop(*topic, partition)
		}
		return nil
	}
	c, err := readCommit(value)
	if err != nil {
		return err
	}
	c.metadata, c.at = strings.Clone(c.metadata), h.BaseOffset
	name := *topic
	o := p.of(in, group)
	if o.topics[name] == nil {
		name = strings.Clone(name)
	}
	o.put(name, partition, c)
	return nil
}

func (p *replay) group(id string, value []byte) error {
	if value == nil {
		delete(p.groups, id)
		return nil
	}
	id = strings.Clone(id)
	g, err := readGroup(p.config, id, value)
	if err == nil {
		p.groups[id] = g
	}
	return err
}

func (p *replay) of(in map[string]*offsets, group string) *offsets {
	o := in[group]
	if o == nil {
		o = new(offsets)
		in[strings.Clone(group)] = o
	}
	return o
}

// end gives the groups their offsets, when all records were replayed.
func (p *replay) end(nowMs int64) {
	for id, o := range p.kept {
		if o.count > 0 {
			o.changed = slices.Collect(maps.Keys(o.topics))
			p.ensure(id, nowMs).offsets = *o
		}
	}
	for producer, of := range p.open {
		for id, o := range of {
			if o.count > 0 {
				p.ensure(id, nowMs).opened(producer, o)
			}
		}
	}
	p.kept, p.open = nil, nil
}

func (p *replay) ensure(id string, nowMs int64) *group {
	g := p.groups[id]
	if g == nil {
		g = newGroup(p.config, id, nowMs)
		p.groups[id] = g
	}
	return g
}

// opened adds the offsets of a transaction that has not ended.
func (o *offsets) opened(producer int64, of *offsets) {
	if o.open == nil {
		o.open = map[int64]map[protocol.TopicPartition]commit{}
	}
	in := map[protocol.TopicPartition]commit{}
	for topic, partitions := range of.topics {
		for partition, c := range partitions.all() {
			in[tpOf(topic, partition)] = c
			o.changes(topic)
		}
	}
	o.open[producer] = in
}

// loaded starts the session timeouts of a group's members when the group begins to be served. A group that exceeds group.max.size
// rebalances.
func (g *group) loaded(out *effects) {
	if g.state == Dead {
		return
	}
	if g.state == Stable && len(g.members) > g.config.MaxSize {
		g.rebalance(reason{what: tooManyMembers}, out)
	}
	for _, m := range g.members {
		g.alive(m, out)
	}
}

// unload ends a group whose coordinator is another broker now. Requests that wait are answered with err.
func (g *group) unload(err error, out *effects) {
	g.transition(Dead, out)
	for _, m := range g.members {
		g.answerJoin(m, refusedJoin(m.id, err), out)
		g.answerSync(m, SyncAnswer{Err: err}, out)
	}
}
