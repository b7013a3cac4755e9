package batch

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// What a zstd decoder may keep of what it has written. Producers stay below
// the first number up to compression level 19; the second is where Apache's
// decoder stops. Above the first a decoder is made for the one batch, and
// Validate makes one at a time.
const (
	commonZstdWindow = 8 << 20
	maxZstdWindow    = 128 << 20
)

// windowSize is how much of an expanded batch is held at a time.
const windowSize = 32 << 10

// expander reads the records of a compressed batch as a stream. It and what it
// needs (a window, the codec's tables) come from a pool per codec. Not safe for
// concurrent use.
type expander struct {
	codec  Codec
	src    bytes.Reader
	window []byte
	r      io.Reader // one of the following

	gzip   *gzip.Reader
	snappy snappyReader
	lz4    lz4Reader
	zstd   *zstd.Decoder
	wide   *zstd.Decoder // for one batch with a large window
	wideOn bool          // holds a place in wideZstd
}

// expanders are decoders that nobody uses, by codec. Brokers of one process share it: a decoder in it holds nothing of who used it.
var expanders [Zstd + 1]sync.Pool

// wideZstd is held while what clients ask for uses a decoder with a large window. Brokers of one process share it: it bounds
// the memory of the process.
var wideZstd = make(chan struct{}, 1)

// wideWindow says what becomes of a zstd frame with a large window.
type wideWindow int8

const (
	wideAny  wideWindow = iota // it is expanded
	wideOne                    // it waits for the one place that there is for them
	wideNone                   // it is refused with errLongTurn
)

// newExpander begins to expand src. The caller calls release when the expander
// is no longer read.
func newExpander(codec Codec, src []byte, wide wideWindow) (*expander, error) {
	return openExpander(codec, src, wide, false)
}

// openExpander is newExpander, but that with brokenLZ4 the checksum of an lz4 frame's
// header does not count.
func openExpander(codec Codec, src []byte, wide wideWindow, brokenLZ4 bool) (*expander, error) {
	e, _ := expanders[codec].Get().(*expander)
	if e == nil {
		e = &expander{codec: codec, window: make([]byte, windowSize)}
	}
	e.src.Reset(src)
	if err := e.begin(src, wide, brokenLZ4); err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

func (e *expander) begin(src []byte, wide wideWindow, brokenLZ4 bool) error {
	switch e.codec {
	case Gzip:
		if e.gzip == nil {
			e.gzip = new(gzip.Reader)
		}
		e.r = e.gzip
		return e.gzip.Reset(&e.src)
	case Snappy:
		e.snappy.reset(src)
		e.r = &e.snappy
	case LZ4:
		e.r = &e.lz4
		return e.lz4.reset(src, brokenLZ4)
	case Zstd:
		return e.beginZstd(src, wide)
	default:
		return &CodecError{Codec: e.codec}
	}
	return nil
}

func (e *expander) beginZstd(src []byte, wide wideWindow) error {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return err
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	if window > commonZstdWindow {
		if window > maxZstdWindow {
			return fmt.Errorf("zstd window of %d bytes", window)
		}
		switch wide {
		case wideNone:
			return errLongTurn
		case wideOne:
			wideZstd <- struct{}{}
			e.wideOn = true
		}
		var err error
		e.wide, err = newZstdDecoder(maxZstdWindow)
		if err != nil {
			return err
		}
		e.r = e.wide
		return e.wide.Reset(&e.src)
	}
	if e.zstd == nil {
		var err error
		if e.zstd, err = newZstdDecoder(commonZstdWindow); err != nil {
			return err
		}
	}
	e.r = e.zstd
	return e.zstd.Reset(&e.src)
}

func newZstdDecoder(window uint64) (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(window))
}

// release gives the expander back. What it read from is forgotten.
func (e *expander) release() {
	e.src.Reset(nil)
	e.snappy.reset(nil)
	e.lz4.release()
	e.r = nil
	if e.wide != nil {
		e.wide.Close()
		e.wide = nil
	}
	if e.wideOn {
		e.wideOn = false
		<-wideZstd
	}
	expanders[e.codec].Put(e)
}
