package migrate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"klamm/cluster/znode"
	"klamm/server/config"
)

// checkEntities looks at the dynamic configuration of users, clients, addresses and brokers.
func (c *checker) checkEntities(ctx context.Context) {
	t := &c.tree
	for _, root := range []string{znode.ConfigUsers, znode.ConfigClients, znode.ConfigIPs} {
		paths := below(root, t.children(ctx, root))
		if root == znode.ConfigUsers {
			for _, user := range slices.Clone(paths) {
				clients := user + "/" + znode.EntityClients
				paths = append(paths, below(clients, t.children(ctx, clients))...)
			}
		}
		for _, path := range paths {
			c.checkClient(ctx, path)
		}
	}
	own := []string{znode.ConfigPath(znode.EntityBrokers, znode.DefaultEntity)}
	if c.Broker >= 0 {
		own = append(own, znode.ConfigPath(znode.EntityBrokers, strconv.Itoa(int(c.Broker))))
	}
	for i, path := range own {
		settings := c.config(ctx, path)
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			if i > 0 && config.FixedAtStart(name) && settings[name] != c.Config.Values().String(name) {
				c.add(Finding{Severity: Differs, Area: Tree, Where: []string{path + ": " + name},
					Found: fmt.Sprintf("Apache Kafka takes %s from here; klamm takes the property from its configuration alone, where it is another", settings[name]),
					Do:    "set it in the configuration of the broker as it is here"})
			}
			if w, ok := config.Unserved(name, settings[name]); ok {
				c.judge(Tree, path+": "+name, w, withoutSetting)
			}
		}
	}
}

// config reads a node with settings, none if it is missing.
func (c *checker) config(ctx context.Context, path string) map[string]string {
	data, ok := c.tree.node(ctx, path)
	if !ok {
		return nil
	}
	settings, err := znode.DecodeConfig(path, data)
	if err != nil {
		c.broken(path, err)
	}
	return settings
}

// checkClient looks at what is set for a user, a client or an address: credentials and quotas.
func (c *checker) checkClient(ctx context.Context, path string) {
	settings := c.config(ctx, path)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if strings.HasPrefix(name, "SCRAM-") {
			c.add(Finding{Severity: Info, Area: Tree, Where: []string{path}, Found: "the user has a credential " + name + ", which clients use over SASL",
				Do: "klamm leaves it as it is, and has no SASL yet"})
			continue
		}
		c.add(Finding{Severity: Differs, Area: Tree, Where: []string{path + ": " + name}, Found: "it is a quota, and klamm has none yet: nobody is held back",
			Do: "see whether the clients keep to it by themselves; klamm leaves it as it is"})
	}
}
