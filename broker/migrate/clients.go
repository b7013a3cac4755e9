package migrate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"klamm/protocol"
)

// apiVersion is one version of an API, as the metrics name it.
type apiVersion struct {
	api     string
	version int
}

// checkClients looks at which requests the running broker was asked.
func (c *checker) checkClients(ctx context.Context) {
	if c.Metrics == nil {
		c.skipped(Clients, "--metrics URL says where the metrics of the running broker are")
		return
	}
	counts, err := c.readCounts(ctx)
	c.looked(Clients, c.MetricsURL, err)
	served := map[string]protocol.API{}
	for _, api := range protocol.APIs() {
		served[api.Name] = api
	}
	for _, asked := range slices.SortedFunc(maps.Keys(counts), func(a, b apiVersion) int {
		return strings.Compare(fmt.Sprintf("%s %3d", a.api, a.version), fmt.Sprintf("%s %3d", b.api, b.version))
	}) {
		api, ok := served[asked.api]
		f := Finding{Severity: Differs, Area: Clients, Where: []string{fmt.Sprintf("%s version %d: %.0f requests", asked.api, asked.version, counts[asked])}}
		switch {
		case !ok:
			f.Found, f.Do = "klamm does not serve the API", "find out who asks; klamm closes the connection"
		case api.Lacks != "":
			f.Found, f.Do = "klamm has no "+strings.TrimPrefix(api.Lacks, "the ")+", and refuses the request", "find out who asks, and whether they do without"
		case !api.Serves(int16(asked.version)):
			f.Found, f.Do = fmt.Sprintf("klamm serves versions %d to %d", api.Min, api.Max), "find out who asks without asking for versions first (ApiVersions)"
		default:
			continue
		}
		c.add(f)
	}
}

// readCounts gets the metrics.
func (c *checker) readCounts(ctx context.Context) (map[apiVersion]float64, error) {
	page, err := c.Metrics(ctx)
	if err != nil {
		return nil, err
	}
	defer page.Close()
	counts, err := requestCounts(page)
	if err == nil && len(counts) == 0 {
		err = errors.New("there are no counts of requests by API and version (kafka.network:type=RequestMetrics,name=RequestsPerSec)")
	}
	return counts, err
}

var (
	sample = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)\{(.*)\}\s+(\S+)`)
	label  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
)

// requestCounts reads the counts of RequestsPerSec from the text format of Prometheus, under the names that the usual rules of the JMX
// exporter give them, or none at all: kafka_network_requestmetrics_requests_total{request,version},
// kafka_network_requestmetrics_requestspersec_count{request,version} and kafka_network_RequestMetrics_Count{name,request,version}. Requests that
// nobody made do not count.
func requestCounts(page io.Reader) (map[apiVersion]float64, error) {
	counts := map[apiVersion]float64{}
	lines := bufio.NewScanner(page)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m := sample.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		name, labels := strings.ToLower(m[1]), map[string]string{}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			labels[l[1]] = l[2]
		}
		_, stem, ok := strings.Cut(name, "requestmetrics_")
		what := strings.ToLower(labels["name"])
		if !ok || stem != "requests_total" && stem != "requestspersec_total" && stem != "requestspersec_count" && !(stem == "count" && what == "requestspersec") {
			continue
		}
		version, err := strconv.Atoi(labels["version"])
		count, errCount := strconv.ParseFloat(m[3], 64)
		if err != nil || errCount != nil || count <= 0 {
			continue
		}
		api := labels["request"]
		switch api { // kafka.network.RequestMetrics
		case "FetchConsumer", "FetchFollower":
			continue // counted as Fetch too
		case "AddPartitionsToTxnVerification": // by the leaders of partitions, and counted by this name alone
			api = "AddPartitionsToTxn"
		}
		counts[apiVersion{api, version}] += count
	}
	return counts, lines.Err()
}
