package cli

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"klamm/cmd/connect"
	"klamm/cmd/connect/profile"
)

func profileCommand(p Process) *cobra.Command {
	cmd := Parent("profile", "Keep names for clusters and the ways to reach them",
		profileListCommand(p), profileCreateCommand(p), profileUseCommand(p), profileShowCommand(p), profileDeleteCommand(p))
	cmd.Long = `A profile is a name for a cluster and for the way to reach it: addresses, TLS, user and password. It is a properties file of a Java
client, which only its user may read, in klamm/profiles in the user's folder for configuration ($XDG_CONFIG_HOME or ~/.config).

A command takes the profile that --profile names, or else ` + connect.ProfileVariable + ` in the environment, or else the one that klamm profile use has
chosen. Its addresses go over those of ` + connect.ServerVariable + ` in the environment, and --bootstrap-server over both.`
	return cmd
}

// local runs a command that asks no cluster.
func local(p Process, run func(s profile.Store, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		store, err := profile.Open()
		if err == nil {
			err = run(store, args)
		}
		return coded(cmd.Context(), err)
	}
}

// profileEntry is a profile in the list.
type profileEntry struct {
	Name    string `json:"name"`
	InUse   bool   `json:"inUse"`
	Servers string `json:"bootstrapServers"`
}

func profileListCommand(p Process) *cobra.Command {
	f := asTable
	cmd := &cobra.Command{Use: "list", Short: "List the profiles", Args: arguments("", 0, 0)}
	cmd.RunE = local(p, func(store profile.Store, _ []string) error {
		names, err := store.List()
		if err != nil {
			return err
		}
		current, err := store.Current()
		if err != nil {
			return err
		}
		entries := []profileEntry{}
		t := table{head: []string{"NAME", "IN USE", "SERVERS"}}
		for _, name := range names {
			one, err := store.Get(name)
			if err != nil {
				return err
			}
			e := profileEntry{name, name == current, one.Properties["bootstrap.servers"]}
			entries = append(entries, e)
			t.row(e.Name, yes(e.InUse), dash(e.Servers))
		}
		return p.show(f, entries, t.write)
	})
	f.add(cmd)
	return cmd
}

func profileCreateCommand(p Process) *cobra.Command {
	var to connect.Flags
	var sets []string
	var use bool
	cmd := &cobra.Command{
		Use:   "create NAME [--bootstrap-server host:port] [--command-config FILE] [--set name=value]",
		Short: "Make a profile",
		Long:  `Makes a profile of addresses, of the properties of a file, which is copied, and of single properties. The cluster is not asked.`,
		Example: `  klamm profile create local -b 127.0.0.1:9092
  klamm profile create prod -b kafka-1:9093,kafka-2:9093 --command-config client.properties --use`,
		Args: arguments("a name", 1, 1),
	}
	cmd.Flags().VarP(&to.Servers, "bootstrap-server", "b", "`addresses` of brokers, host:port,...")
	cmd.Flags().StringVar(&to.File, "command-config", "", "properties `file` of a Java client to copy")
	cmd.Flags().StringArrayVar(&sets, "set", nil, "set one property of a Java client, `name=value`; may be repeated")
	cmd.Flags().BoolVar(&use, "use", false, "use it from now on")
	cmd.RunE = local(p, func(store profile.Store, args []string) error {
		properties, err := profileProperties(to, sets)
		if err != nil {
			return err
		}
		if _, err := connect.New(nil, properties); err != nil {
			return misuse("the profile would not work: %w", err)
		}
		if err := store.Create(profile.Profile{Name: args[0], Properties: properties}); err != nil {
			return err
		}
		if use {
			if err := store.Use(args[0]); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintln(p.Out, "created profile "+args[0])
		return err
	})
	return cmd
}

func profileProperties(from connect.Flags, sets []string) (connect.Properties, error) {
	properties := connect.Properties{}
	if from.File != "" {
		read, err := connect.ReadProperties(from.File)
		if err != nil {
			return nil, misuse("--command-config: %w", err)
		}
		maps.Copy(properties, read)
	}
	values, err := settings("--set", sets)
	if err != nil {
		return nil, err
	}
	for name, value := range values {
		properties[name] = *value
	}
	if len(from.Servers) > 0 {
		properties["bootstrap.servers"] = from.Servers.String()
	}
	if properties["bootstrap.servers"] == "" {
		return nil, misuse("--bootstrap-server has to name a broker, host:port")
	}
	return properties, nil
}

func profileUseCommand(p Process) *cobra.Command {
	cmd := &cobra.Command{Use: "use NAME", Short: "Use a profile from now on", Args: arguments("the name of a profile", 1, 1), ValidArgsFunction: completeProfiles}
	cmd.RunE = local(p, func(store profile.Store, args []string) error {
		if err := store.Use(args[0]); err != nil {
			return err
		}
		if other := os.Getenv(connect.ProfileVariable); other != "" && other != args[0] {
			fmt.Fprintf(p.Err, "%s=%s in the environment goes over it\n", connect.ProfileVariable, other)
		}
		_, err := fmt.Fprintln(p.Out, "using profile "+args[0])
		return err
	})
	return cmd
}

func profileShowCommand(p Process) *cobra.Command {
	f := asTable
	var secrets bool
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show the properties of a profile", Args: arguments("the name of a profile", 1, 1), ValidArgsFunction: completeProfiles,
		Long: `Shows the properties of a profile. Passwords are left out, if --secrets does not ask for them.`,
	}
	cmd.Flags().BoolVar(&secrets, "secrets", false, "show passwords too")
	cmd.RunE = local(p, func(store profile.Store, args []string) error {
		one, err := store.Get(args[0])
		if err != nil {
			return err
		}
		t := table{}
		for _, name := range slices.Sorted(maps.Keys(one.Properties)) {
			if secret(name) && !secrets {
				one.Properties[name] = "(secret)"
			}
			t.row(name, one.Properties[name])
		}
		return p.show(f, one.Properties, t.write)
	})
	f.add(cmd)
	return cmd
}

// secret says whether a property holds a password or a key.
func secret(name string) bool {
	return strings.HasSuffix(name, ".password") || name == "sasl.jaas.config" || name == "ssl.keystore.key"
}

func profileDeleteCommand(p Process) *cobra.Command {
	cmd := &cobra.Command{Use: "delete NAME", Short: "Delete a profile", Args: arguments("the name of a profile", 1, 1), ValidArgsFunction: completeProfiles}
	cmd.RunE = local(p, func(store profile.Store, args []string) error {
		if err := store.Delete(args[0]); err != nil {
			return err
		}
		_, err := fmt.Fprintln(p.Out, "deleted profile "+args[0])
		return err
	})
	return cmd
}
