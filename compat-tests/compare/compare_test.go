package compare

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	seed = flag.Uint64("seed", 1, "seed of the generated requests")
	only = flag.String("only", "", "names of the APIs to ask, with commas between; empty for all")
	each = flag.Int("each", 20, "generated requests for each version of an API")
)

// properties are the same for both brokers.
var properties = map[string]string{"auto.create.topics.enable": "false", "zookeeper.session.timeout.ms": "30000",
	"offsets.topic.num.partitions": "3", "group.initial.rebalance.delay.ms": "0"}

func TestKlammAnswersAsApacheDoes(t *testing.T) {
	p := startPair(t, properties)
	begin := time.Now()
	p.base()
	compareThem := p.beside()
	p.tables()
	p.headers()
	p.sessions()
	p.sweep()
	for _, key := range slices.Sorted(maps.Keys(p.served)) {
		if _, changes := changers[kmsg.Key(key)]; p.asks(key) && !changes && !slices.Contains(goldenAlone, kmsg.Key(key)) {
			p.generated(key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.served)) {
		if _, changes := changers[kmsg.Key(key)]; p.asks(key) && changes {
			began := time.Now()
			p.generatedChanges(key)
			p.Logf("%s took %s", kmsg.NameForKey(key), time.Since(began).Round(time.Second/10))
		}
	}
	compareThem()
	p.settle()
	p.tell(time.Since(begin))
	for i, used := range p.used {
		if !used && *only == "" {
			t.Errorf("nothing in the run needs this difference any more, take it out: %s", &known[i])
		}
	}
}

// goldenAlone are APIs that the golden cases of package server hold alone. With generated requests the reference puts
// topics together that are named twice, keeps groups that a commit in a transaction was refused for, or stores
// what klamm refuses.
var goldenAlone = []kmsg.Key{kmsg.AddPartitionsToTxn, kmsg.TxnOffsetCommit, kmsg.ElectLeaders, kmsg.AlterClientQuotas,
	kmsg.DescribeUserSCRAMCredentials, kmsg.AlterUserSCRAMCredentials}

// betweenBrokers are what brokers ask each other. Either broker would take orders of a controller that does not exist and obey its own no
// more, or would be about to stop and lead no new topic. The golden cases of package server and the clusters of compat-tests hold them.
var betweenBrokers = []kmsg.Key{kmsg.LeaderAndISR, kmsg.StopReplica, kmsg.UpdateMetadata, kmsg.ControlledShutdown, kmsg.AlterPartition, kmsg.AllocateProducerIDs}

// asks says whether an API is to be asked.
func (p *pair) asks(key int16) bool {
	return *only == "" || slices.Contains(strings.Split(*only, ","), kmsg.NameForKey(key))
}

// generated asks generated requests, well-formed and not, in every version.
func (p *pair) generated(key int16) {
	for v := p.served[key][0]; v <= p.served[key][1]; v++ {
		g := newGenerator(*seed, key, v)
		for range *each {
			q := g.question(g.request())
			klamm, _ := p.ask(q)
			if joined, ok := klamm.resp.(*kmsg.JoinGroupResponse); ok && joined.ErrorCode == 0 {
				continue // the next member to join would wait for this one
			}
			if g.IntN(3) == 0 {
				// One broker may take a changed length for null and commit, where the
				// other one refuses.
				for _, bent := range g.bend(q, key != int16(kmsg.OffsetCommit)) {
					p.ask(bent)
				}
			}
		}
	}
}

// generatedChanges asks generated requests that change something, fewer of them.
func (p *pair) generatedChanges(key int16) {
	for v := p.served[key][0]; v <= p.served[key][1]; v++ {
		g := newGenerator(*seed, key, v)
		g.few = true
		for i := range *each / 2 {
			q := g.question(g.request())
			p.change(q)
			if i%8 == 0 {
				for _, bent := range g.bend(q, false) {
					p.change(bent)
				}
			}
		}
	}
}

// tell prints how many requests of each API were compared.
func (p *pair) tell(took time.Duration) {
	sum := 0
	for _, name := range slices.Sorted(maps.Keys(p.counts)) {
		p.Logf("%-26s %5d requests", name, p.counts[name])
		sum += p.counts[name]
	}
	p.Logf("%-26s %5d requests to both brokers in %s, seed %d, %d differences on purpose", "all", sum, took.Round(time.Second/10), *seed, len(known))
}
