package container

import (
	"fmt"
	"path"
	"strings"
)

// derive adds the variables that follow from others, and takes out those that are names of files.
func derive(vars map[string]string, in Input) error {
	deriveListeners(vars)
	if err := deriveTLS(vars, in); err != nil {
		return err
	}
	for _, variable := range []string{"KAFKA_SSL_KEYSTORE_FILENAME", "KAFKA_SSL_KEYSTORE_CREDENTIALS", "KAFKA_SSL_KEY_CREDENTIALS",
		"KAFKA_SSL_TRUSTSTORE_FILENAME", "KAFKA_SSL_TRUSTSTORE_CREDENTIALS"} {
		delete(vars, variable)
	}
	return nil
}

// deriveListeners has the broker listen on all addresses at the ports that it advertises, where nobody said where it listens.
func deriveListeners(vars map[string]string) {
	for _, p := range []string{prefix, bitnamiPrefix} {
		advertised := vars[p+"ADVERTISED_LISTENERS"]
		if vars[p+"LISTENERS"] != "" || advertised == "" {
			continue
		}
		var listeners []string
		for l := range strings.SplitSeq(advertised, ",") {
			name, address, ok := strings.Cut(strings.TrimSpace(l), "://")
			colon := strings.LastIndexByte(address, ':')
			if !ok || colon < 0 { // it is no listener; the configuration says so of advertised.listeners
				continue
			}
			listeners = append(listeners, name+"://0.0.0.0"+address[colon:])
		}
		vars[p+"LISTENERS"] = strings.Join(listeners, ",")
	}
}

// deriveTLS finds the key stores, and reads their passwords, from the files that variables name, if a listener of TLS is advertised.
func deriveTLS(vars map[string]string, in Input) error {
	if !strings.Contains(vars["KAFKA_ADVERTISED_LISTENERS"], "SSL://") {
		return nil
	}
	location := func(variable, to string) error {
		file, err := in.secret(vars, variable)
		if err == nil {
			vars[to] = file
		}
		return err
	}
	password := func(variable, to string) error {
		file, err := in.secret(vars, variable)
		if err != nil {
			return err
		}
		text, err := in.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%s: %w", variable, err)
		}
		vars[to] = strings.TrimRight(string(text), "\n") // as $(cat file) in a shell
		return nil
	}
	steps := []struct {
		take         func(variable, to string) error
		variable, to string
	}{
		{location, "KAFKA_SSL_KEYSTORE_FILENAME", "KAFKA_SSL_KEYSTORE_LOCATION"},
		{password, "KAFKA_SSL_KEY_CREDENTIALS", "KAFKA_SSL_KEY_PASSWORD"},
		{password, "KAFKA_SSL_KEYSTORE_CREDENTIALS", "KAFKA_SSL_KEYSTORE_PASSWORD"},
		{location, "KAFKA_SSL_TRUSTSTORE_FILENAME", "KAFKA_SSL_TRUSTSTORE_LOCATION"},
		{password, "KAFKA_SSL_TRUSTSTORE_CREDENTIALS", "KAFKA_SSL_TRUSTSTORE_PASSWORD"},
	}
	auth := vars["KAFKA_SSL_CLIENT_AUTH"]
	if !strings.Contains(auth, "required") && !strings.Contains(auth, "requested") {
		steps = steps[:3] // nobody's certificate is checked
	}
	for _, s := range steps {
		if err := s.take(s.variable, s.to); err != nil {
			return err
		}
	}
	return nil
}

// secret gives the path of a file whose name a variable has.
func (in Input) secret(vars map[string]string, variable string) (string, error) {
	name := vars[variable]
	if name == "" {
		return "", fmt.Errorf("%s is not set: a listener of TLS is advertised, and it has to name a file in %s", variable, in.SecretsDir)
	}
	return path.Join(in.SecretsDir, name), nil
}
