package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layer makes a layer of entries. All files have one time, so that the same files give the same layer.
func layer(entries []entry, at time.Time) (v1.Layer, error) {
	var text bytes.Buffer
	out := tar.NewWriter(&text)
	for _, e := range entries {
		if err := add(out, e, at); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}

func add(out *tar.Writer, e entry, at time.Time) error {
	h := &tar.Header{Name: e.path, Mode: int64(e.mode.Perm()), Uid: e.uid, ModTime: at, Format: tar.FormatPAX}
	if e.mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	var text []byte
	switch {
	case e.mode.IsDir():
		h.Name, h.Typeflag = e.path+"/", tar.TypeDir
	case e.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
	default:
		var err error
		if text, err = os.ReadFile(e.source); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
		h.Typeflag, h.Size = tar.TypeReg, int64(len(text))
	}
	if err := out.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", e.path, err)
	}
	_, err := out.Write(text)
	return err
}
