// Command image writes klamm's image for containers, without a daemon and without a registry: an OCI layout with an image for each
// architecture, and for each a file that `docker load` reads. deploy/image.sh runs it, and stages the files that are not in the repository.
//
//	cd deploy/image && go run . -out DIR -version VERSION -commit COMMIT -time SECONDS amd64=STAGE arm64=STAGE
//
// Begin reading at tree.go, which lists what is in the image.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func main() {
	var o options
	var seconds int64
	flag.StringVar(&o.out, "out", "", "`directory` for the layout and the files")
	flag.StringVar(&o.files, "files", "files", "`directory` with the image's small files")
	flag.StringVar(&o.version, "version", "", "`version` of klamm")
	flag.StringVar(&o.commit, "commit", "", "`commit` of klamm")
	flag.StringVar(&o.scripts, "scripts", "", "`names` of Kafka's scripts that klamm is called by, with blanks between them")
	flag.Int64Var(&seconds, "time", 0, "the time of all files, in `seconds` since 1970")
	flag.Parse()
	o.at = time.Unix(seconds, 0).UTC()
	if err := o.write(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

type options struct {
	out, files, version, commit, scripts string

	at time.Time
}

// write writes the images of the architectures, each given as ARCH=STAGE.
func (o *options) write(stages []string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, s := range stages {
		arch, stage, ok := strings.Cut(s, "=")
		if !ok {
			return fmt.Errorf("%q is not ARCH=STAGE", s)
		}
		image, err := o.image(arch, stage)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
		tag, err := name.NewTag("klamm:" + strings.NewReplacer("~", "-", "+", "-").Replace(o.version))
		if err != nil {
			return err
		}
		if err := tarball.WriteToFile(filepath.Join(o.out, "klamm-"+arch+".tar"), tag, image); err != nil {
			return err
		}
	}
	at := filepath.Join(o.out, "oci")
	if err := os.RemoveAll(at); err != nil {
		return err
	}
	written, err := layout.Write(at, index)
	if err != nil {
		return err
	}
	// What was written is read back, and every digest and size compared.
	back, err := written.ImageIndex()
	if err != nil {
		return err
	}
	if err := validate.Index(back); err != nil {
		return fmt.Errorf("the layout in %s is not valid: %w", at, err)
	}
	return nil
}

// image makes the image of an architecture.
func (o *options) image(arch, stage string) (v1.Image, error) {
	var layers []v1.Layer
	for _, entries := range [][]entry{base(stage, o.files), broker(stage, o.files, strings.Fields(o.scripts))} {
		l, err := layer(entries, o.at)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(image, layers...)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", arch, v1.Time{Time: o.at}
	file.Config = v1.Config{
		User:         "appuser",
		Cmd:          []string{"/etc/kafka/docker/run"},
		Env:          []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		WorkingDir:   "/home/appuser",
		ExposedPorts: map[string]struct{}{"9092/tcp": {}},
		Volumes:      map[string]struct{}{"/etc/kafka/secrets": {}, "/var/lib/kafka/data": {}, "/mnt/shared/config": {}},
		StopSignal:   "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "klamm",
			"org.opencontainers.image.version":  o.version,
			"org.opencontainers.image.revision": o.commit,
			"org.opencontainers.image.created":  o.at.Format(time.RFC3339),
			"org.opencontainers.image.licenses": "Apache-2.0 AND GPL-2.0-only AND GPL-3.0-or-later AND LGPL-2.1-or-later",
		},
	}
	return mutate.ConfigFile(image, file)
}
