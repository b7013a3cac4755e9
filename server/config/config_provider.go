package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Config providers (KIP-297, KIP-421, KIP-887) replace variables of the form ${provider:[path:]key} in the
// values of other properties. config.providers lists the names of the providers. For each one,
// config.providers.<name>.class is its Java class, and config.providers.<name>.param.* are its parameters.
//
// The rules are those of ConfigTransformer and AbstractConfig in Apache Kafka:
//
//   - Load lays file, environment and command line over each other, and then replaces variables in every value
//     once. It does not look for variables in what a provider gives.
//   - The providers are made from config.providers.* as written, before variables are replaced.
//   - A variable stays as it is if config.providers does not name its provider, if the provider has no
//     class, or if the provider does not have the key.
//   - The broker does not start if klamm has no such class, if the provider refuses a parameter, or if the
//     provider cannot read a file.

// configProviders is the property that lists the names of the providers.
const configProviders = "config.providers"

// providerPackage is the Java package of the provider classes.
const providerPackage = "org.apache.kafka.common.config.provider."

// provider is a configured config provider.
type provider interface {
	// get gives those of keys that the provider has under path. If nothing is under path, note says in a few
	// words why; it is "" if only keys are missing. After an error the broker does not start.
	get(path string, keys []string) (data map[string]string, note string, err error)
}

// providerClasses has the config providers that klamm serves, by the name of the Java class: the parameters that
// each takes, and the function that makes one.
var providerClasses = map[string]struct {
	params []string
	create func(params map[string]string, env []string) (provider, error)
}{
	providerPackage + "EnvVarConfigProvider":    {[]string{"allowlist.pattern"}, newEnvProvider},
	providerPackage + "FileConfigProvider":      {[]string{"allowed.paths"}, newFileProvider},
	providerPackage + "DirectoryConfigProvider": {[]string{"allowed.paths"}, newDirectoryProvider},
}

// providerNames splits config.providers as Java splits it: blanks belong to the names, and empty names at the end
// are dropped. It gives each name once.
func providerNames(value string) []string {
	value = strings.TrimRight(value, ",")
	if value == "" {
		return nil
	}
	var out []string
	for _, name := range strings.Split(value, ",") {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// isProviderProperty reports whether the property configures config providers.
func isProviderProperty(name string) bool {
	return name == configProviders || strings.HasPrefix(name, configProviders+".")
}

// envProvider is EnvVarConfigProvider: the variables of the environment whose whole name matches a pattern.
type envProvider map[string]string

func newEnvProvider(params map[string]string, env []string) (provider, error) {
	allowed := func(string) bool { return true }
	if pattern, ok := params["allowlist.pattern"]; ok {
		re, err := javaPattern(pattern)
		if err != nil {
			return nil, err
		}
		allowed = re.MatchString
	}
	p := envProvider{}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if _, twice := p[name]; !twice && allowed(name) {
			p[name] = value
		}
	}
	return p, nil
}

func (p envProvider) get(path string, keys []string) (map[string]string, string, error) {
	if path != "" {
		return nil, "", fmt.Errorf("EnvVarConfigProvider has no paths, and %q is one", path)
	}
	data := map[string]string{}
	for _, key := range keys {
		if value, ok := p[key]; ok {
			data[key] = value
		}
	}
	return data, "", nil
}

// fileProvider is FileConfigProvider: the path is a properties file in UTF-8, the key a name in it.
type fileProvider struct{ allowed *allowedPaths }

func newFileProvider(params map[string]string, _ []string) (provider, error) {
	allowed, err := newAllowedPaths(params["allowed.paths"])
	return fileProvider{allowed}, err
}

func (p fileProvider) get(path string, keys []string) (map[string]string, string, error) {
	if path == "" {
		return nil, "it names no file", nil
	}
	path, ok := p.allowed.check(path)
	if !ok {
		return nil, path + " is not under allowed.paths", nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("%s cannot be read: %w", path, reasonOf(err))
	}
	if !utf8.Valid(data) {
		return nil, "", fmt.Errorf("%s cannot be read: it is not in UTF-8", path)
	}
	found, bad := parseProperties(utf16.Encode([]rune(string(data))))
	if len(bad) > 0 {
		return nil, "", fmt.Errorf("%s:%d: %w", path, bad[0].line, bad[0].err)
	}
	out := map[string]string{}
	for _, f := range found {
		if slices.Contains(keys, f.name) {
			out[f.name] = f.value
		}
	}
	return out, "", nil
}

// directoryProvider is DirectoryConfigProvider: the path is a directory, the key the name of a file in it,
// and the value the whole file, a line feed at its end included.
type directoryProvider struct{ allowed *allowedPaths }

func newDirectoryProvider(params map[string]string, _ []string) (provider, error) {
	allowed, err := newAllowedPaths(params["allowed.paths"])
	return directoryProvider{allowed}, err
}

func (p directoryProvider) get(path string, keys []string) (map[string]string, string, error) {
	if path == "" {
		return nil, "it names no directory", nil
	}
	path, ok := p.allowed.check(path)
	if !ok {
		return nil, path + " is not under allowed.paths", nil
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return nil, path + " is not a directory", nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, "", fmt.Errorf("%s cannot be listed: %w", path, reasonOf(err))
	}
	out := map[string]string{}
	for _, entry := range entries {
		name := path + "/" + entry.Name()
		// Kubernetes makes the files of a secret symbolic links. os.Stat follows them.
		info, err := os.Stat(name)
		if !slices.Contains(keys, entry.Name()) || err != nil || !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, "", fmt.Errorf("%s cannot be read: %w", name, reasonOf(err))
		}
		out[entry.Name()] = strings.ToValidUTF8(string(data), "\uFFFD")
	}
	return out, "", nil
}

// reasonOf drops the path from an error of a file, since the caller names it.
func reasonOf(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}

// allowedPaths is the parameter allowed.paths; nil allows every path (AllowedPaths in Apache Kafka). check does
// not resolve symbolic links: a link in an allowed directory may lead out of it.
type allowedPaths struct{ paths []string }

func newAllowedPaths(value string) (*allowedPaths, error) {
	if value == "" {
		return nil, nil
	}
	a := &allowedPaths{}
	if strings.Trim(value, ",") == "" {
		return a, nil // Java splits this into a list of no paths, which allows none
	}
	for _, path := range strings.Split(strings.TrimRight(value, ","), ",") {
		if !filepath.IsAbs(path) {
			return nil, fmt.Errorf("%q is not an absolute path", path)
		}
		path = filepath.Clean(path)
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%s does not exist", path)
		}
		a.paths = append(a.paths, path)
	}
	return a, nil
}

// check gives the path to open, and whether the parameter allows it.
func (a *allowedPaths) check(path string) (string, bool) {
	if a == nil {
		if trimmed := strings.TrimRight(path, "/"); trimmed != "" {
			path = trimmed
		}
		return path, true
	}
	clean := filepath.Clean(path)
	return clean, slices.ContainsFunc(a.paths, func(allowed string) bool {
		return clean == allowed || strings.HasPrefix(clean, strings.TrimSuffix(allowed, "/")+"/")
	})
}
