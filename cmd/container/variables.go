package container

import (
	"maps"
	"slices"
	"strings"

	"klamm/server/config"
)

const (
	prefix        = "KAFKA_"
	bitnamiPrefix = "KAFKA_CFG_"
)

// noProperties are the variables that begin as properties do and are none: those of kafka.docker.KafkaDockerWrapper, for the JVM and its log.
var noProperties = []string{"KAFKA_VERSION", "KAFKA_HEAP_OPTS", "KAFKA_LOG4J_OPTS", "KAFKA_OPTS", "KAFKA_JMX_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS",
	"KAFKA_GC_LOG_OPTS", "KAFKA_LOG4J_ROOT_LOGLEVEL", "KAFKA_LOG4J_LOGGERS", "KAFKA_TOOLS_LOG4J_LOGLEVEL", "KAFKA_JMX_HOSTNAME"}

// variables are an environment by names. An entry without a name, as Windows has them, is left out.
func variables(env []string) map[string]string {
	vars := map[string]string{}
	for _, kv := range env {
		if name, value, ok := strings.Cut(kv, "="); ok && name != "" {
			vars[name] = value
		}
	}
	return vars
}

// propertyName gives the property that a variable stands for: KAFKA_LOG_DIRS is log.dirs. An underscore in the property's name is
// written as two, and a dash as three. ok is false for a variable that stands for none.
func propertyName(variable string) (name string, ok bool) {
	if variable == "KAFKA_CFG_ZOOKEEPER_CLIENTCNXNSOCKET" { // bitnami's one exception: the property has capitals
		return "zookeeper.clientCnxnSocket", true
	}
	rest, bitnami := strings.CutPrefix(variable, bitnamiPrefix)
	switch {
	case bitnami:
	case !strings.HasPrefix(variable, prefix) || slices.Contains(noProperties, variable):
		return "", false
	default:
		rest = strings.ReplaceAll(variable, prefix, "") // every one, not the first alone: as KafkaDockerWrapper does
	}
	return strings.NewReplacer("...", "-", "..", "_").Replace(strings.ReplaceAll(strings.ToLower(rest), "_", ".")), true
}

// settings gives the properties that variables set, in the order of the variables' names. KafkaDockerWrapper appends the line name=value to a
// properties file and escapes nothing, so that the broker reads the value with Java's escapes; so does settings.
func settings(vars map[string]string) (out []config.Setting, errs config.LoadErrors) {
	for _, variable := range slices.Sorted(maps.Keys(vars)) {
		if name, ok := propertyName(variable); ok && name != "" {
			found, bad := config.TextSettings(config.Source{Origin: config.FromEnv, Where: variable}, name+"="+vars[variable]+"\n")
			out, errs = append(out, found...), append(errs, bad...)
		}
	}
	return out, errs
}
