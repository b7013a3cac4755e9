package command

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
	"klamm/server/config"
)

// TestNoSecretIsLogged: a broker with a value in each property that holds a secret, also in the forms that a listener and a mechanism have, logs
// everything that it can, is asked to change some of them, and is sent secrets of clients. None stands in its log, and none in what a start says
// that fails.
func TestNoSecretIsLogged(t *testing.T) {
	zk := harness.StartZooKeeper(t, harness.ZooKeeperOptions{})
	properties := map[string]string{"klamm.log.levels": "root=TRACE", "zookeeper.connect": zk.Connect(), "zookeeper.set.acl": "true", "unheard.of.password": "secret-0"}
	for i, p := range config.BrokerProperties() {
		if p.Type != config.Password {
			continue
		}
		properties[p.Name] = fmt.Sprintf("secret-%d", i+1)
		properties["listener.name.plaintext."+p.Name] = fmt.Sprintf("secret-of-listener-%d", i)
	}
	properties["klamm.http.basic.auth"] = "user:secret-page"
	properties["klamm.zookeeper.digest"] = "user:secret-digest"
	jaas := `org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="secret-jaas";`
	properties["sasl.jaas.config"], properties["listener.name.plaintext.scram-sha-256.sasl.jaas.config"] = jaas, jaas
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: properties})
	cl := harness.Client(t, b.Addr)
	topic := harness.Topic(t, b.Addr, 1)
	ctx := harness.Context(t)
	record := &kgo.Record{Topic: topic, Key: []byte("secret-key"), Value: []byte("secret-value"), Headers: []kgo.RecordHeader{{Key: "secret-header", Value: []byte("secret-header")}}}
	if err := cl.ProduceSync(ctx, record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	send(t, cl, configChange("ssl.keystore.password"), configChange("sasl.jaas.config"), configChange("listener.name.plaintext.ssl.key.password"), configChange("num.partitions"))
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	log := b.Log()
	for _, set := range []string{"sasl.kerberos.min.time.before.relogin=none", "zookeeper.ssl.client.enable=true", "listeners=SASL_SSL://127.0.0.1:0"} {
		failed := klamm(t, t.TempDir(), []string{"KLAMM_SSL_KEY_PASSWORD=secret-variable"}, "--config", b.ConfigFile(), "--set", set,
			"--set", "zookeeper.ssl.keystore.location=gone.jks", "--set", "ssl.keystore.password=secret-argument")
		if failed.code == 0 {
			t.Errorf("klamm starts with %s", set)
		}
		log += failed.stdout + failed.stderr
	}
	if !strings.Contains(log, "logger=cluster.meta") || !strings.Contains(log, "api=IncrementalAlterConfigs") || !strings.Contains(log, "api=Produce") {
		t.Errorf("the broker logs less than it can:\n%s", log)
	}
	for line := range strings.Lines(log) {
		if strings.Contains(line, "secret-") {
			t.Errorf("a secret is in the log: %s", line)
		}
	}
}

// configChange asks a broker to change one of its properties.
func configChange(name string) kmsg.Request {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, "0"
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, kmsg.StringPtr("secret-change")
	r.Configs = append(r.Configs, c)
	req.Resources = append(req.Resources, r)
	return req
}

// send sends requests with secrets of clients, whatever the broker answers.
func send(t *testing.T, cl *kgo.Client, requests ...kmsg.Request) {
	t.Helper()
	scram := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	u.Name, u.Mechanism, u.Iterations, u.Salt, u.SaltedPassword = "u", 1, 4096, []byte("secret-salt"), []byte("secret-salted")
	scram.Upsertions = append(scram.Upsertions, u)
	sasl := kmsg.NewPtrSASLAuthenticateRequest()
	sasl.SASLAuthBytes = []byte("\x00user\x00secret-sasl")
	renew := kmsg.NewPtrRenewDelegationTokenRequest()
	renew.HMAC = []byte("secret-hmac")
	for _, req := range append(requests, scram, renew, sasl) {
		_, _ = cl.Request(harness.Context(t), req) // most are refused
	}
}
