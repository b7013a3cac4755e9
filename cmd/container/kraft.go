package container

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"klamm/server/config"
)

// kraft makes the configuration of a KRaft node that is broker and controller in one process, and has no others, that of a broker alone. It
// takes out the listeners of the controller and what only a quorum needs, and gives the names of the latter. The error says that
// the configuration is for several processes.
func kraft(layers [][]config.Setting) (dropped []string, err error) {
	given := map[string]string{}
	for _, l := range layers {
		for _, s := range l {
			given[s.Name] = s.Value
		}
	}
	roles := list(given["process.roles"])
	if len(roles) == 0 {
		return nil, nil
	}
	if err := alone(given, roles); err != nil {
		return nil, err
	}
	controllers := list(given["controller.listener.names"])
	out := map[string]bool{}
	for i, l := range layers {
		layers[i] = slices.DeleteFunc(slices.Clone(l), func(s config.Setting) bool {
			if isKRaft(s.Name, controllers) {
				out[s.Name] = true
				return true
			}
			return false
		})
		for j := range layers[i] {
			s := &layers[i][j]
			switch s.Name {
			case "listeners", "advertised.listeners":
				s.Value = without(s.Value, "://", controllers)
			case "listener.security.protocol.map":
				s.Value = without(s.Value, ":", controllers)
			}
		}
	}
	return slices.Sorted(maps.Keys(out)), nil
}

// alone says why the configuration of a KRaft node is not that of one process alone.
func alone(given map[string]string, roles []string) error {
	const instead = "klamm is no part of a KRaft quorum: give one broker the roles broker,controller and itself as the one voter, or several zookeeper.connect"
	node := given["node.id"]
	if node == "" {
		node = given["broker.id"]
	}
	if given["zookeeper.connect"] != "" {
		return fmt.Errorf("process.roles=%s and zookeeper.connect=%s exclude each other: leave process.roles out for a broker of a cluster on ZooKeeper, and zookeeper.connect for a broker alone",
			given["process.roles"], given["zookeeper.connect"])
	}
	for _, role := range roles {
		if role != "broker" && role != "controller" {
			return fmt.Errorf("process.roles: there is no role %q; there are broker and controller", role)
		}
	}
	if !slices.Contains(roles, "broker") {
		return fmt.Errorf("process.roles=%s makes this process a controller for others; %s", given["process.roles"], instead)
	}
	if !slices.Contains(roles, "controller") {
		return fmt.Errorf("process.roles=%s leaves the controller to another process; %s", given["process.roles"], instead)
	}
	voters := list(given["controller.quorum.voters"])
	if len(voters) > 1 {
		return fmt.Errorf("controller.quorum.voters names %d controllers (%s); %s", len(voters), given["controller.quorum.voters"], instead)
	}
	if len(voters) == 1 {
		if id, _, _ := strings.Cut(voters[0], "@"); id != node {
			return fmt.Errorf("controller.quorum.voters=%s is another process than this one, with node.id=%s; %s", voters[0], node, instead)
		}
	}
	if servers := list(given["controller.quorum.bootstrap.servers"]); len(servers) > 1 {
		return fmt.Errorf("controller.quorum.bootstrap.servers names %d controllers (%s); %s", len(servers), given["controller.quorum.bootstrap.servers"], instead)
	}
	return nil
}

// isKRaft says whether a property is for a quorum or for a controller's listener alone.
func isKRaft(name string, controllers []string) bool {
	switch {
	case name == "process.roles", name == "controller.listener.names", name == "sasl.mechanism.controller.protocol",
		strings.HasPrefix(name, "controller.quorum."), strings.HasPrefix(name, "metadata.log."), strings.HasPrefix(name, "metadata.max."):
		return true
	}
	return slices.ContainsFunc(controllers, func(l string) bool { return strings.HasPrefix(name, "listener.name."+strings.ToLower(l)+".") })
}

// without takes the entries of some listeners out of a list, whose entries begin with a listener's name and sep.
func without(value, sep string, listeners []string) string {
	return strings.Join(slices.DeleteFunc(list(value), func(entry string) bool {
		name, _, _ := strings.Cut(entry, sep)
		return slices.ContainsFunc(listeners, func(l string) bool { return strings.EqualFold(l, name) })
	}), ",")
}

// list splits a list with commas and leaves out what is empty.
func list(value string) (out []string) {
	for entry := range strings.SplitSeq(value, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			out = append(out, entry)
		}
	}
	return out
}
