package container

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"klamm/server/config"
)

// Input is what a container is configured by.
type Input struct {
	// Env is the environment as os.Environ gives it. A later entry overrides an earlier one.
	Env []string
	// Mounted are the settings of the server.properties that somebody mounted; nil for none.
	Mounted []config.Setting
	// SecretsDir is where the files are that variables such as KAFKA_SSL_KEYSTORE_FILENAME name.
	SecretsDir string
	// ReadFile reads one of these files.
	ReadFile func(path string) ([]byte, error)
}

// Setup is how the broker of a container is started.
type Setup struct {
	// Layers are for config.Options.
	Layers [][]config.Setting
	// ClusterID is the id of the cluster that begins with this broker; "" for a random one.
	ClusterID string
	// Dropped are the properties for a KRaft quorum, which this broker alone does not need.
	Dropped []string
	// Ignored are the variables for the JVM, which klamm does without.
	Ignored []string
}

// Configure gives the configuration of a broker in a container. The mounted file goes over klamm's defaults for a container, and the
// environment over the file.
func Configure(in Input) (*Setup, error) {
	vars := variables(in.Env)
	s := &Setup{}
	for _, name := range noProperties {
		if vars[name] != "" {
			s.Ignored = append(s.Ignored, name)
		}
	}
	var err error
	if s.ClusterID, err = clusterID(vars); err != nil {
		return nil, err
	}
	if err := derive(vars, in); err != nil {
		return nil, err
	}
	fromEnv, errs := settings(vars)
	if len(errs) > 0 {
		return nil, errs
	}
	s.Layers = [][]config.Setting{defaults(vars), slices.Clone(in.Mounted), fromEnv}
	if s.Dropped, err = kraft(s.Layers); err != nil {
		return nil, err
	}
	if !s.has("zookeeper.connect") {
		s.Layers[0] = append(s.Layers[0], brokerAlone()...)
	}
	return s, nil
}

// has says whether a property is given.
func (s *Setup) has(name string) bool {
	return slices.ContainsFunc(s.Layers, func(l []config.Setting) bool {
		return slices.ContainsFunc(l, func(s config.Setting) bool { return s.Name == name && s.Value != "" })
	})
}

// Properties gives all that is set, by names.
func (s *Setup) Properties() map[string]string {
	all := map[string]string{}
	for _, l := range s.Layers {
		for _, p := range l {
			all[p.Name] = p.Value
		}
	}
	return all
}

// byDefault is one of klamm's own settings for a container.
func byDefault(name, value string) config.Setting {
	return config.Setting{Name: name, Value: value, Source: config.Source{Where: "klamm's own default in a container"}}
}

// defaults are klamm's own settings: the data is where images have their volume.
func defaults(vars map[string]string) []config.Setting {
	for name := range vars {
		if strings.HasPrefix(name, bitnamiPrefix) {
			return []config.Setting{byDefault("log.dirs", "/bitnami/kafka/data")}
		}
	}
	return []config.Setting{byDefault("log.dirs", "/var/lib/kafka/data")}
}

// brokerAlone are settings without which Apache's defaults, which are for three brokers, let a broker alone make no topic for groups and transactions.
func brokerAlone() (out []config.Setting) {
	for _, name := range []string{"offsets.topic.replication.factor", "transaction.state.log.replication.factor", "transaction.state.log.min.isr"} {
		out = append(out, byDefault(name, "1"))
	}
	return out
}

// clusterID gives the id that the cluster is to have. Apache's and bitnami's images have a variable of their own for it.
func clusterID(vars map[string]string) (string, error) {
	id := ""
	for _, variable := range []string{"KAFKA_KRAFT_CLUSTER_ID", "CLUSTER_ID"} {
		if vars[variable] == "" {
			continue
		}
		// Kafka writes the 22 characters of base64's alphabet for URLs; some programs that start containers write the other alphabet, or padding.
		text := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(vars[variable], "="))
		if raw, err := base64.RawURLEncoding.DecodeString(text); err != nil || len(raw) != 16 {
			return "", fmt.Errorf("%s=%s is not a UUID in 22 characters of base64, such as 4L6g3nShT-eMCtK--X86sw", variable, vars[variable])
		}
		id = text
	}
	delete(vars, "KAFKA_KRAFT_CLUSTER_ID")
	return id, nil
}
