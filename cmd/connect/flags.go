package connect

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"klamm/cmd/connect/profile"
)

// DefaultServer is the broker that is asked where nothing says which one.
const DefaultServer = "127.0.0.1:9092"

// The variables of the environment that commands read.
const (
	ServerVariable  = "KLAMM_BOOTSTRAP_SERVER" // addresses, as --bootstrap-server takes them
	ProfileVariable = "KLAMM_PROFILE"          // a profile, as --profile takes it
)

// Servers is a flag with addresses of brokers, host:port,...
type Servers []string

// Set takes a value of the flag. A flag that is given twice names the brokers of both.
func (s *Servers) Set(value string) error {
	for addr := range strings.SplitSeq(value, ",") {
		addr = strings.TrimSpace(addr)
		if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
			return fmt.Errorf("%q is not host:port", addr)
		}
		*s = append(*s, addr)
	}
	return nil
}

// Type names the kind of value for the help.
func (s *Servers) Type() string { return "addresses" }

// String gives the addresses with commas between them.
func (s *Servers) String() string { return strings.Join(*s, ",") }

// Flags are the flags of a command that asks a cluster.
type Flags struct {
	Servers Servers // --bootstrap-server, -b
	File    string  // --command-config: a properties file of a Java client
	Profile string  // --profile: the name of a profile

	// Explicit refuses the default server: a command that changes a whole cluster does not guess which one is meant.
	Explicit bool
}

// Add adds the flags to those of a command.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.VarP(&f.Servers, "bootstrap-server", "b", "`addresses` of brokers, host:port,...; the first that answers tells of the others")
	flags.StringVar(&f.File, "command-config", "", "properties `file` of a Java client: security.protocol, ssl.*, sasl.* and so on")
	flags.StringVar(&f.Profile, "profile", "", "`name` of the profile to use; klamm profile list has them")
}

// Config says which cluster is meant and how to reach it. The addresses are those of the first of these that names any: --bootstrap-server, the file of
// --command-config, the profile, the environment, [DefaultServer]. Properties of the file go over those of the profile.
func (f *Flags) Config() (Config, error) {
	chosen, err := f.profile()
	if err != nil {
		return Config{}, err
	}
	properties := chosen.Properties
	if properties == nil {
		properties = Properties{}
	}
	if f.File != "" {
		read, err := ReadProperties(f.File)
		if err != nil {
			return Config{}, err
		}
		for name, value := range read {
			properties[name] = value
		}
	}
	servers := slices.Clone(f.Servers)
	if len(servers) == 0 && properties[bootstrapServers] == "" {
		if servers, err = f.otherServers(); err != nil {
			return Config{}, err
		}
	}
	c, err := New(servers, properties)
	switch {
	case err != nil && f.File != "":
		err = fmt.Errorf("--command-config %s: %w", f.File, err)
	case err != nil && chosen.Name != "":
		err = fmt.Errorf("profile %s: %w", chosen.Name, err)
	}
	return c, err
}

// otherServers gives the addresses that the environment has, or the default.
func (f *Flags) otherServers() (Servers, error) {
	var servers Servers
	if value := os.Getenv(ServerVariable); value != "" {
		if err := servers.Set(value); err != nil {
			return nil, fmt.Errorf("%s: %w", ServerVariable, err)
		}
		return servers, nil
	}
	if f.Explicit {
		return nil, fmt.Errorf("--bootstrap-server has to name a broker, host:port (or --profile a profile, or %s in the environment)", ServerVariable)
	}
	return Servers{DefaultServer}, nil
}

// profile gives the profile that is chosen: by --profile, the environment, or `klamm profile use`. Without any it is one without a name.
func (f *Flags) profile() (profile.Profile, error) {
	store, err := profile.Open()
	if errors.Is(err, profile.ErrNowhere) && f.Profile == "" && os.Getenv(ProfileVariable) == "" {
		return profile.Profile{}, nil
	}
	if err != nil {
		return profile.Profile{}, err
	}
	if f.Profile != "" {
		chosen, err := store.Get(f.Profile)
		if err != nil {
			return chosen, fmt.Errorf("--profile: %w", err)
		}
		return chosen, nil
	}
	if name := os.Getenv(ProfileVariable); name != "" {
		chosen, err := store.Get(name)
		if err != nil {
			return chosen, fmt.Errorf("%s: %w", ProfileVariable, err)
		}
		return chosen, nil
	}
	name, err := store.Current()
	if err != nil || name == "" {
		return profile.Profile{}, err
	}
	chosen, err := store.Get(name)
	if err != nil {
		return chosen, fmt.Errorf("the profile in use: %w", err)
	}
	return chosen, nil
}

// ForBroker leaves the variables of this package out of an environment: a broker would warn of them.
func ForBroker(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == ServerVariable || name == ProfileVariable
	})
}
