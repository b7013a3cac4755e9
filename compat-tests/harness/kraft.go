package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// clusterID is the cluster id with which the harness formats the directories of a KRaft node: any 16 bytes in
// base64.
const clusterID = "a2xhbW0gaXMgYSBnb3JnZQ"

// format gives a KRaft node, broker and controller in one, its controller's address
// and formats its directories, as kafka-storage.sh does.
func (b *Broker) format() error {
	port, err := FreePort()
	if err != nil {
		return err
	}
	b.quorum = fmt.Sprintf("127.0.0.1:%d", port)
	conf := filepath.Join(b.dir, "server.properties")
	if err := os.WriteFile(conf, []byte(b.properties()), 0o644); err != nil {
		return err
	}
	java, err := javaPath()
	if err != nil {
		return err
	}
	args, err := jvmArgs(b.release(), "256m", "WARN", cheap(b.release()))
	if err != nil {
		return err
	}
	var out strings.Builder
	stderr, code, err := runTool(&out, nil, java, append(args, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", conf)...)
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("harness: kafka-storage.sh format: exit code %d\n%s%s", code, out.String(), stderr)
	}
	return nil
}

// kraft sets the properties of a node that is a cluster by itself.
func (b *Broker) kraft(props map[string]string) {
	delete(props, "broker.id")
	props["node.id"] = "0"
	props["process.roles"] = "broker,controller"
	props["listeners"] = "PLAINTEXT://" + b.Addr + ",CONTROLLER://" + b.quorum
	props["advertised.listeners"] = "PLAINTEXT://" + b.Addr
	props["controller.listener.names"] = "CONTROLLER"
	props["controller.quorum.voters"] = "0@" + b.quorum
	props["listener.security.protocol.map"] = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
}
