package packages

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"klamm/compat-tests/harness"
)

// descriptor points to a blob of an OCI layout.
type descriptor struct {
	MediaType string
	Digest    string
	Platform  struct{ OS, Architecture string }
}

// imageConfig is how a container of the image is run.
type imageConfig struct {
	User         string
	Cmd          []string
	Env          []string
	WorkingDir   string
	ExposedPorts map[string]struct{}
	Volumes      map[string]struct{}
	StopSignal   string
	Labels       map[string]string
}

func layoutDir() string { return filepath.Join(harness.Root(), "build", "image", "oci") }

// blob gives the path of a blob.
func (d descriptor) blob() string {
	return filepath.Join(layoutDir(), "blobs", strings.Replace(d.Digest, ":", "/", 1))
}

// read reads a JSON file of the layout.
func read[T any](t *testing.T, path string) (value T) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// imageOf gives the configuration and the layers of the image for this machine's architecture.
func imageOf(t *testing.T) (imageConfig, []descriptor) {
	t.Helper()
	type manifest struct {
		Manifests []descriptor // of an index
		Config    descriptor
		Layers    []descriptor
	}
	for _, d := range read[manifest](t, filepath.Join(layoutDir(), "index.json")).Manifests {
		if d.Platform.OS == "linux" && d.Platform.Architecture == runtime.GOARCH {
			m := read[manifest](t, d.blob())
			return read[struct{ Config imageConfig }](t, m.Config.blob()).Config, m.Layers
		}
	}
	t.Fatalf("the layout has no image for %s", runtime.GOARCH)
	return imageConfig{}, nil
}

// container gives a jail with the image's files, as a container of it has them.
func container(t *testing.T) (*jail, imageConfig) {
	t.Helper()
	c, layers := imageOf(t)
	j := newJail(t, "")
	for _, l := range layers {
		cmd := exec.Command("tar", "-x", "-z", "--same-owner", "--numeric-owner", "-p", "-C", j.root, "-f", l.blob())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("unpacking a layer: %v\n%s", err, out)
		}
	}
	j.system()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, j.path("/etc/hosts"), "127.0.0.1\tlocalhost\n127.0.0.2\t"+host+"\n") // Docker writes it
	return j, c
}
