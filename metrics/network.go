package metrics

import (
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"klamm/server/transport"
)

// maxSoftware bounds the names and versions of client software that have a series.
const maxSoftware = 100

// network are the connections, and what they wait for. klamm has a goroutine for each connection and no network threads: what Apache Kafka
// gives for each of those stands at networkProcessor 0 here.
func (s *scrape) network() {
	sockets := s.Server().Sockets()
	open, owed := map[string]int64{}, int64(0)
	software := map[[3]string]int64{}
	for _, l := range sockets.Listeners() {
		open[l.Name] = 0
	}
	for _, c := range sockets.Conns() {
		listener := c.Listener().Name
		open[listener]++
		owed += int64(c.State().Owed)
		is := c.Software()
		if is == (transport.Software{}) {
			is = transport.Software{Name: "unknown", Version: "unknown"}
		}
		key := [3]string{is.Name, is.Version, listener}
		if _, known := software[key]; !known && len(software) >= maxSoftware {
			key = [3]string{"others", "others", listener}
		}
		software[key]++
	}
	const selector = "kafka_server_socket_server_metrics_"
	for _, l := range sockets.Listeners() {
		of := labels("listener", l.Name, "networkProcessor", "0")
		traffic := l.Traffic()
		s.gauge(selector+"connection_count", "Open connections").addInt(open[l.Name], of)
		for _, ending := range []string{"", "_total"} { // from version 1.0 on the JMX exporter leaves _total out of the names of gauges
			s.gauge(selector+"connection_creation"+ending, "Connections that were accepted").addInt(traffic.Accepted, of)
			s.gauge(selector+"connection_close"+ending, "Connections that were closed").addInt(traffic.Closed, of)
		}
	}
	connections := s.gauge(selector+"connections_software", "Open connections by what their clients say that they are")
	for key, n := range software {
		connections.addInt(n, labels("clientSoftwareName", key[0], "clientSoftwareVersion", key[1], "listener", key[2], "networkProcessor", "0"))
	}
	s.channel(sockets, owed)
	idle := s.g.idle.share(s.g.o.Now())
	const meaning = ": the share of time in which the processors were idle, since klamm has no such threads"
	s.gauge("kafka_network_socketserver_networkprocessoravgidle_percent", "Idle time of the network threads, from 0 to 1"+meaning).add(idle)
	s.gauge("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", "Idle time of the request handlers, from 0 to 1"+meaning).add(idle)
	s.gauge("kafka_network_processor_idle_percent", "Idle time of a network thread, from 0 to 1"+meaning).add(idle, labels("networkProcessor", "0"))
	read, written := diskBytes()
	s.gauge("kafka_server_kafkaserver_linux_disk_read_bytes", "Bytes that the process had the disks read").add(read)
	s.gauge("kafka_server_kafkaserver_linux_disk_write_bytes", "Bytes that the process had the disks write").add(written)
}

// channel is what waits between the sockets and the handlers.
func (s *scrape) channel(sockets *transport.SocketServer, owed int64) {
	state := sockets.State()
	s.gauge("kafka_network_requestchannel_requestqueuesize", "Large requests that wait until others are handled").addInt(int64(state.LargeOutside))
	answers := s.gauge("kafka_network_requestchannel_responsequeuesize", "Answers that are not sent yet, also of requests that wait")
	answers.addInt(owed)
	answers.addInt(owed, labels("processor", "0"))
	used, left := float64(state.QueuedUsed), float64(math.MaxInt64)
	if state.Bounded {
		left = float64(state.QueuedLeft)
	}
	s.gauge("kafka_network_socketserver_memorypoolused", "Bytes of requests in memory that count against queued.max.request.bytes").add(used)
	s.gauge("kafka_network_socketserver_memorypoolavailable", "Bytes that queued.max.request.bytes leaves").add(left)
	s.gauge("kafka_network_socketserver_expiredconnectionskilledcount", "Connections that were closed since they were idle").addInt(sockets.Expired())
}

// idleTime measures how idle the processors are, by the processor time that the process uses. Before the second reading it says that they are
// all idle.
type idleTime struct {
	mu   sync.Mutex
	at   time.Time     // guarded by mu; the last reading
	used time.Duration // guarded by mu; the processor time that the process had used by then
	idle float64       // guarded by mu; the share between the last two readings
}

// idleEvery is the least time between two readings.
const idleEvery = 5 * time.Second

// share gives the share of the processors' time in which this process did not use them.
func (i *idleTime) share(now time.Time) float64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.at.IsZero() && now.Sub(i.at) < idleEvery {
		return i.idle
	}
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return i.idle
	}
	used := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	if passed := now.Sub(i.at) * time.Duration(runtime.GOMAXPROCS(0)); !i.at.IsZero() && passed > 0 {
		i.idle = min(max(1-float64(used-i.used)/float64(passed), 0), 1)
	}
	i.at, i.used = now, used
	return i.idle
}

// diskBytes gives what the process had the disks read and write, by Linux's accounting; 0 where there is none.
func diskBytes() (read, written float64) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "read_bytes":
			read = n
		case "write_bytes":
			written = n
		}
	}
	return read, written
}
