package container

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"klamm/server/config"
)

// configure gives the properties of an environment, or what is wrong with it.
func configure(env []string, mounted string) (*Setup, map[string]string, error) {
	files := map[string]string{"/secrets/store-pass": "a secret\n", "/secrets/key-pass": "another one"}
	settings, errs := config.TextSettings(config.Source{Origin: config.FromFile, Where: "server.properties"}, mounted)
	if len(errs) > 0 {
		return nil, nil, errs
	}
	s, err := Configure(Input{Env: env, Mounted: settings, SecretsDir: "/secrets", ReadFile: func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, errors.New("no such file: " + path)
	}})
	if err != nil {
		return nil, nil, err
	}
	properties := s.Properties()
	maps.DeleteFunc(properties, func(name, value string) bool { // klamm's own, which TestWhatKlammAdds looks at
		return name == "log.dirs" && strings.HasSuffix(value, "/kafka/data") || strings.HasPrefix(name, "offsets.topic.") || strings.HasPrefix(name, "transaction.state.")
	})
	return s, properties, nil
}

func TestConfigure(t *testing.T) {
	for name, c := range map[string]struct {
		env     []string
		mounted string
		want    map[string]string
	}{
		"the mapping": {env: []string{"KAFKA_LOG_RETENTION_HOURS=5", "KAFKA_LISTENER_NAME_A__B_SSL_KEY___X=1", "KAFKA_NUM_PARTITIONS=a=b", "KAFKA_HEAP_OPTS=-Xmx1G", "HOME=/", "KAFKA_=x", "KAFKA=x"},
			want: map[string]string{"log.retention.hours": "5", "listener.name.a_b.ssl.key-x": "1", "num.partitions": "a=b"}},
		"bitnami's": {env: []string{"KAFKA_CFG_NUM_PARTITIONS=7", "KAFKA_CFG_ZOOKEEPER_CLIENTCNXNSOCKET=x", "KAFKA_KRAFT_CLUSTER_ID=4L6g3nShT-eMCtK--X86sw"},
			want: map[string]string{"num.partitions": "7", "zookeeper.clientCnxnSocket": "x"}},
		"the environment goes over the file": {env: []string{"KAFKA_NUM_PARTITIONS=7"}, mounted: "num.partitions=1\nlog.cleaner.threads=2",
			want: map[string]string{"num.partitions": "7", "log.cleaner.threads": "2"}},
		"Java's escapes": {env: []string{`KAFKA_BROKER_RACK=  a\tb\u0041`}, want: map[string]string{"broker.rack": "a\tbA"}},
		"listeners from advertised ones": {env: []string{"KAFKA_ADVERTISED_LISTENERS=A://host:1,B://[::1]:2", "KAFKA_LISTENERS="},
			want: map[string]string{"advertised.listeners": "A://host:1,B://[::1]:2", "listeners": "A://0.0.0.0:1,B://0.0.0.0:2"}},
		"listeners stay": {env: []string{"KAFKA_ADVERTISED_LISTENERS=A://host:1", "KAFKA_LISTENERS=A://:3"},
			want: map[string]string{"advertised.listeners": "A://host:1", "listeners": "A://:3"}},
		"secrets": {env: []string{"KAFKA_ADVERTISED_LISTENERS=SSL://host:1", "KAFKA_LISTENERS=SSL://:1", "KAFKA_SSL_KEYSTORE_FILENAME=keys.jks", "KAFKA_SSL_KEY_CREDENTIALS=key-pass",
			"KAFKA_SSL_KEYSTORE_CREDENTIALS=store-pass", "KAFKA_SSL_TRUSTSTORE_FILENAME=trust.jks", "KAFKA_SSL_TRUSTSTORE_CREDENTIALS=store-pass", "KAFKA_SSL_CLIENT_AUTH=required"},
			want: map[string]string{"advertised.listeners": "SSL://host:1", "listeners": "SSL://:1", "ssl.keystore.location": "/secrets/keys.jks", "ssl.key.password": "another one",
				"ssl.keystore.password": "a secret", "ssl.truststore.location": "/secrets/trust.jks", "ssl.truststore.password": "a secret", "ssl.client.auth": "required"}},
		"KRaft, alone": {env: []string{"KAFKA_PROCESS_ROLES=broker,controller", "KAFKA_NODE_ID=7", "KAFKA_CONTROLLER_QUORUM_VOTERS=7@localhost:9093", "KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
			"KAFKA_LISTENERS=PLAINTEXT://:9092, CONTROLLER://:9093", "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
			"KAFKA_LISTENER_NAME_CONTROLLER_SSL_CLIENT_AUTH=none", "KAFKA_METADATA_LOG_DIR=/m"},
			want: map[string]string{"node.id": "7", "listeners": "PLAINTEXT://:9092", "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT"}},
		"KRaft in the file": {env: []string{"KAFKA_NODE_ID=2"}, mounted: "process.roles=broker,controller\ncontroller.quorum.voters=2@x:1\ncontroller.listener.names=C\nlisteners=C://:1,PLAINTEXT://:2",
			want: map[string]string{"node.id": "2", "listeners": "PLAINTEXT://:2"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, got, err := configure(c.env, c.mounted)
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestWhatKlammAdds(t *testing.T) {
	for dir, env := range map[string][]string{"/var/lib/kafka/data": nil, "/bitnami/kafka/data": {"KAFKA_CFG_NUM_PARTITIONS=1"}, "/mine": {"KAFKA_LOG_DIRS=/mine"}} {
		s, err := Configure(Input{Env: env})
		if err != nil || s.Properties()["log.dirs"] != dir || s.Properties()["offsets.topic.replication.factor"] != "1" {
			t.Errorf("%q: %v, %v; want the data in %s and one replica of __consumer_offsets", env, s.Properties(), err, dir)
		}
	}
	s, err := Configure(Input{Env: []string{"CLUSTER_ID=4L6g3nShT+eMCtK/+X86sw=="}}) // Testcontainers for Python
	if err != nil || s.ClusterID != "4L6g3nShT-eMCtK_-X86sw" {
		t.Errorf("%+v, %v; want the id in the alphabet for URLs", s, err)
	}
	s, err = Configure(Input{Env: []string{"KAFKA_ZOOKEEPER_CONNECT=zk:2181"}})
	if err != nil || s.has("offsets.topic.replication.factor") {
		t.Errorf("a broker of a cluster has one replica of __consumer_offsets: %v, %v", s.Properties(), err)
	}
	s, err = Configure(Input{Env: []string{"CLUSTER_ID=4L6g3nShT-eMCtK--X86sw", "KAFKA_HEAP_OPTS=-Xmx1G", "KAFKA_PROCESS_ROLES=controller,broker", "KAFKA_CONTROLLER_LISTENER_NAMES=C"}})
	if err != nil || s.ClusterID != "4L6g3nShT-eMCtK--X86sw" || !slices.Equal(s.Ignored, []string{"KAFKA_HEAP_OPTS"}) ||
		!slices.Equal(s.Dropped, []string{"controller.listener.names", "process.roles"}) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		env  string
		says []string
	}{
		{"KAFKA_PROCESS_ROLES=controller", []string{"process.roles=controller", "controller for others"}},
		{"KAFKA_PROCESS_ROLES=broker KAFKA_NODE_ID=1 KAFKA_CONTROLLER_QUORUM_VOTERS=2@c:9093", []string{"leaves the controller to another process"}},
		{"KAFKA_PROCESS_ROLES=broker,controller KAFKA_CONTROLLER_QUORUM_VOTERS=1@a:1,2@b:1,3@c:1", []string{"3 controllers", "zookeeper.connect"}},
		{"KAFKA_PROCESS_ROLES=broker,controller KAFKA_NODE_ID=1 KAFKA_CONTROLLER_QUORUM_VOTERS=2@b:1", []string{"2@b:1 is another process", "node.id=1"}},
		{"KAFKA_PROCESS_ROLES=broker,controller KAFKA_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS=a:1,b:1", []string{"names 2 controllers"}},
		{"KAFKA_PROCESS_ROLES=broker,observer", []string{`no role "observer"`}},
		{"KAFKA_PROCESS_ROLES=broker,controller KAFKA_ZOOKEEPER_CONNECT=zk", []string{"exclude each other"}},
		{"CLUSTER_ID=mine", []string{"CLUSTER_ID=mine", "22 characters"}},
		{"KAFKA_ADVERTISED_LISTENERS=SSL://a:1", []string{"KAFKA_SSL_KEYSTORE_FILENAME is not set", "/secrets"}},
		{"KAFKA_ADVERTISED_LISTENERS=SSL://a:1 KAFKA_SSL_KEYSTORE_FILENAME=k KAFKA_SSL_KEY_CREDENTIALS=gone", []string{"KAFKA_SSL_KEY_CREDENTIALS", "no such file"}},
		{`KAFKA_BROKER_RACK=\u12`, []string{"KAFKA_BROKER_RACK"}},
	} {
		_, _, err := configure(strings.Fields(c.env), "")
		if err == nil {
			t.Errorf("%s is taken", c.env)
			continue
		}
		for _, words := range c.says {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %q does not say %q", c.env, err, words)
			}
		}
	}
}
