// Command deb writes klamm's Debian package from nfpm.yaml, with links by the names of Kafka's scripts besides. deploy/deb.sh runs it; the variables that nfpm.yaml names come from the
// environment, and all files in the package have the time that SOURCE_DATE_EPOCH gives, so that the same files give the same package.
//
//	cd deploy/deb && go run . FILE.deb kafka-topics ...
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	"github.com/goreleaser/nfpm/v2/files"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "deb:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("give the name of the package, and those of scripts")
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	config, err := nfpm.ParseFileWithEnvMapping("nfpm.yaml", os.Getenv)
	if err != nil {
		return err
	}
	info, err := config.Get("deb")
	if err != nil {
		return err
	}
	// Not in /usr/bin, where other packages have Kafka's own.
	for _, script := range args[1:] {
		info.Contents = append(info.Contents, &files.Content{Source: "/usr/bin/klamm", Destination: "/usr/lib/klamm/bin/" + script + ".sh", Type: files.TypeSymlink, FileInfo: &files.ContentFileInfo{}})
	}
	at := time.Unix(seconds, 0).UTC()
	info = nfpm.WithDefaults(info)
	info.MTime = at
	for _, c := range info.Contents {
		if c.FileInfo != nil {
			c.FileInfo.MTime = at
		}
	}
	packager, err := nfpm.Get("deb")
	if err != nil {
		return err
	}
	return write(args[0], func(out io.Writer) error { return packager.Package(info, out) })
}

// write writes a file, and leaves none that is cut short.
func write(path string, text func(io.Writer) error) (err error) {
	file, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // in vain once the file has its name
	if err := text(file); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
