package cluster

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/internal/history"
)

// payments is the topic of the transactional producer. Like the transactions' own topic it stays on brokers of Apache Kafka: klamm has no
// coordinator of transactions, and leads no partition that takes part in one.
const payments = "payments"

// transactionPartitions is how many partitions the harness gives __transaction_state.
const transactionPartitions = 5

// payer is a transactional producer: each transaction has a record for both partitions of payments, and every third is aborted.
type payer struct {
	stop chan struct{}
	done chan struct{}
	anew atomic.Bool // the next transaction is to be another client's, with the same transactional id

	mu        sync.Mutex
	committed []string // guarded by mu; the transactions whose commit was acknowledged
	unknown   []string // guarded by mu; those whose end had an error
	lastGood  bool     // guarded by mu; the last transaction was committed
	failed    []string // guarded by mu
}

// newPayer starts the producer. Its topic has two partitions with these replicas.
func newPayer(m *migration, assignment ...[]int32) *payer {
	createTopic(m.load, payments, nil, assignment...)
	p := &payer{stop: make(chan struct{}), done: make(chan struct{})}
	go p.run(m)
	m.Cleanup(func() { m.cancel(); p.finish() }) // a test that has failed waits for no transaction
	await(m.load, "a transaction", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.committed) > 0
	})
	return p
}

// finish ends the producer after the transaction that is under way.
func (p *payer) finish() {
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
	<-p.done
}

// ended says whether the producer was told to stop, and its last transaction was committed.
func (p *payer) ended() bool {
	select {
	case <-p.stop:
	default:
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastGood
}

func (p *payer) run(m *migration) {
	defer close(p.done)
	client := func() *kgo.Client {
		return newClient(m.load, kgo.TransactionalID("payer"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(payments))
	}
	cl := client()
	defer func() { cl.Close() }()
	for n := 0; !p.ended() && m.ctx.Err() == nil; n++ {
		if p.anew.Swap(false) {
			cl.Close()
			cl = client()
		}
		name, end := fmt.Sprint("payment ", n), kgo.TransactionEndTry(n%3 != 0) // every third is aborted
		err := cl.BeginTransaction()
		if err == nil {
			err = cl.ProduceSync(m.ctx, &kgo.Record{Partition: 0, Value: []byte(name)}, &kgo.Record{Partition: 1, Value: []byte(name)}).FirstErr()
		}
		if err != nil {
			end = kgo.TryAbort
		}
		ended := cl.EndTransaction(m.ctx, end)
		p.mu.Lock()
		p.lastGood = end == kgo.TryCommit && ended == nil
		switch {
		case ended != nil && end == kgo.TryCommit:
			p.unknown = append(p.unknown, name)
		case end == kgo.TryCommit:
			p.committed = append(p.committed, name)
		}
		if err = cmp.Or(err, ended); err != nil && !history.Passing(err) {
			p.failed = append(p.failed, fmt.Sprintf("%s: %v", name, err))
		}
		p.mu.Unlock()
	}
}

// check reads what was committed: each transaction once and in order, in both partitions, and none that was aborted.
func (p *payer) check(m *migration) {
	m.Helper()
	m.finish("the end of the last transaction", p.finish)
	for partition := range int32(2) {
		cl := newClient(m.load, kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{payments: {partition: kgo.NewOffset().AtStart()}}))
		var read []string
		last := p.committed[len(p.committed)-1]
		m.read(cl, fmt.Sprintf("%q of %s/%d", last, payments, partition), func(r *kgo.Record) bool {
			read = append(read, string(r.Value))
			return string(r.Value) == last
		})
		cl.Close()
		known := slices.DeleteFunc(read, func(name string) bool { return slices.Contains(p.unknown, name) })
		if !slices.Equal(known, p.committed) {
			m.Errorf("%s/%d: read_committed gives %d transactions, %d were committed", payments, partition, len(known), len(p.committed))
		}
	}
	m.faults("transactions", p.failed)
	m.Logf("%d transactions were committed, of %d the end is unknown", len(p.committed), len(p.unknown))
}

// moveTransactions moves the partitions of __transaction_state, and of the topic that its clients write to, to brokers that stay Apache's when another
// one is replaced.
func (m *migration) moveTransactions(to []int32) {
	m.Helper()
	dir := m.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	const echo = `echo '{"version":1,"topics":[{"topic":"__transaction_state"}]}' > topics.json`
	m.noted(echo)
	if err := os.WriteFile(at("topics.json"), []byte(strings.Split(echo, "'")[1]), 0o600); err != nil {
		m.Fatal(err)
	}
	m.files = strings.NewReplacer("topics.json", at("topics.json"), "moves.json", at("moves.json"))
	b := m.c.Broker(to[0])
	const reassign = "kafka-reassign-partitions.sh --bootstrap-server HOST:9092 "
	var assignment string
	if len(to) == 2 { // as many as the topic has replicas
		out := m.run(b, reassign+"--generate --topics-to-move-json-file topics.json --broker-list 2,3")
		_, proposal, ok := strings.Cut(out.Stdout, "Proposed partition reassignment configuration\n")
		if !ok {
			m.Fatalf("no proposal in\n%s%s", out.Stdout, out.Stderr)
		}
		assignment = proposal
	} else {
		var partitions []string
		for p := range transactionPartitions {
			partitions = append(partitions, fmt.Sprintf(`{"topic":"__transaction_state","partition":%d,"replicas":[%d]}`, p, to[0]))
		}
		assignment = fmt.Sprintf(`{"version":1,"partitions":[%s]}`, strings.Join(partitions, ","))
	}
	if err := os.WriteFile(at("moves.json"), []byte(assignment), 0o600); err != nil {
		m.Fatal(err)
	}
	if out := m.run(b, reassign+"--execute --reassignment-json-file moves.json"); out.Code != 0 {
		m.Fatal(out.Stdout, out.Stderr)
	}
	await(m.load, "the transactions' partitions to have moved", func() bool {
		out := m.run(b, reassign+"--verify --reassignment-json-file moves.json")
		return out.Code == 0 && !strings.Contains(out.Stdout, "still in progress")
	})
	m.throttle(allowed) // --verify has removed the brokers' rates
	for p := range int32(2) {
		m.reassign(payments, p, slices.Concat(to[p%int32(len(to)):], to[:p%int32(len(to))])...)
	}
}

// beginTransactions makes the transactions' topic by hand, on the one broker that is Apache's again, and starts a producer.
func (m *migration) beginTransactions(on int32) {
	m.Helper()
	createTopic(m.load, "__transaction_state", map[string]string{"cleanup.policy": "compact", "compression.type": "uncompressed", "unclean.leader.election.enable": "false"},
		slices.Repeat([][]int32{{on}}, transactionPartitions)...)
	m.pays = newPayer(m, []int32{on}, []int32{on})
}

// endTransactions ends the producer, judges what it did, and removes the transactions' topic.
func (m *migration) endTransactions() {
	m.Helper()
	m.pays.check(m)
	m.pays = nil
	out := m.run(m.c.Broker(1), "kafka-topics.sh --bootstrap-server HOST:9092 --delete --topic __transaction_state")
	if out.Code != 0 {
		m.Fatal(out.Stdout, out.Stderr)
	}
	// klamm would serve what stands in payments. But of a broker that runs migrate check cannot say whether a transaction is open there.
	if resp, err := m.admin.DeleteTopic(m.Context(), payments); err != nil || resp.Err != nil {
		m.Fatal(err, resp.Err)
	}
	await(m.load, "the transactions' topics to be gone", func() bool {
		topics, _, err := m.c.Zk(m).Children("/brokers/topics")
		return err == nil && !slices.Contains(topics, "__transaction_state") && !slices.Contains(topics, payments)
	})
}
