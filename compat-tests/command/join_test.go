package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestJoinAndLeaveAreUsedWrongly gives the commands what they cannot work with. They change nothing.
func TestJoinAndLeaveAreUsedWrongly(t *testing.T) {
	nobody := strings.TrimPrefix(listener(t), "PLAINTEXT://")
	for name, c := range map[string]struct {
		args  []string
		words []string
	}{
		"no configuration":   {[]string{"--zookeeper", nobody}, []string{"--config"}},
		"a missing file":     {[]string{"--config", "gone.properties", "--zookeeper", nobody}, []string{"gone.properties"}},
		"no ZooKeeper":       {[]string{"--config", "klamm.properties"}, []string{"zookeeper.connect", "--zookeeper"}},
		"a wrong port":       {[]string{"--config", "klamm.properties", "--zookeeper", "zk-1:here"}, []string{"zookeeper.connect", "zk-1:here"}},
		"an argument":        {[]string{"orders", "--config", "klamm.properties"}, []string{"orders"}},
		"an unknown flag":    {[]string{"--topic", "orders"}, []string{"--topic"}},
		"no directory":       {[]string{"--config", "klamm.properties", "--zookeeper", nobody, "--set", "log.dirs=gone"}, []string{"log.dirs", "gone"}},
		"an empty directory": {[]string{"--config", "klamm.properties", "--zookeeper", nobody, "--set", "log.dirs=empty"}, []string{"empty", "meta.properties"}},
	} {
		for _, command := range []string{"join", "leave"} {
			t.Run(command+" with "+name, func(t *testing.T) {
				dir := t.TempDir()
				write(t, dir, "klamm.properties", "log.dirs="+filepath.Join(dir, "empty")+"\n")
				if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
					t.Fatal(err)
				}
				e := klamm(t, dir, nil, append([]string{"cluster", command}, c.args...)...)
				e.refused(t, c.words...)
				if e.code != 2 {
					t.Errorf("exit code %d, want 2", e.code)
				}
			})
		}
	}
}
