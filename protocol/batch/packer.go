package batch

import (
	"encoding/binary"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// packer compresses what is written to it as it comes, so that the memory which
// it takes is that of what comes out, and stops when that is more than limit. Not
// safe for concurrent use.
type packer struct {
	codec    Codec
	strength int
	out      []byte // the packed bytes are appended here
	limit    int    // of out, 0 for none
	writer   io.WriteCloser
	block    []byte // snappy, lz4: not packed yet
	packed   []byte // snappy: one block, packed

	gzip *gzip.Writer
	lz4  *lz4Packer
	zstd *zstd.Encoder
}

// packers are encoders that nobody uses, by codec and strength. Brokers of one process share it: an encoder in it holds
// nothing of who used it.
var packers [Zstd + 1][strengths]sync.Pool

// packWindow is how far back zstd looks, in bytes; it bounds the memory that
// packing takes.
const packWindow = 1 << 20

// newPacker begins to append bytes to dst, packed as c says whatever c.Recompress
// is. The caller calls release.
func newPacker(c Compression, dst []byte, limit int) (*packer, error) {
	if !c.Codec.Known() {
		return nil, &CodecError{Codec: c.Codec}
	}
	strength := c.strength()
	p, _ := packers[c.Codec][strength].Get().(*packer)
	if p == nil {
		p = &packer{codec: c.Codec, strength: strength}
		if err := p.open(); err != nil {
			return nil, err
		}
	}
	p.out, p.limit, p.writer = dst, limit, nil
	switch c.Codec {
	case Gzip:
		p.gzip.Reset((*packedBytes)(p))
		p.writer = p.gzip
	case LZ4:
		p.out = append(p.out, lz4Header...)
	case Zstd:
		p.zstd.Reset((*packedBytes)(p))
		p.writer = p.zstd
	case Snappy:
		p.out = append(p.out, xerialMagic...)
		p.out = binary.BigEndian.AppendUint32(p.out, 1)
		p.out = binary.BigEndian.AppendUint32(p.out, 1)
	}
	return p, nil
}

// open makes the codec's writer.
func (p *packer) open() (err error) {
	switch p.codec {
	case Gzip:
		p.gzip, err = openGzip(p.strength)
	case LZ4:
		p.lz4 = openLZ4(p.strength)
	case Zstd:
		p.zstd, err = openZstd(p.strength)
	}
	return err
}

// packedBytes is where the codecs' writers write to.
type packedBytes packer

func (p *packedBytes) Write(b []byte) (int, error) {
	if need := len(p.out) + len(b); need > cap(p.out) {
		p.out = slices.Grow(p.out, max(need, 2*cap(p.out))-len(p.out)) // doubles, also what is large
	}
	p.out = append(p.out, b...)
	return len(b), (*packer)(p).checkSize()
}

func (p *packer) checkSize() error {
	if p.limit > 0 && len(p.out) > p.limit {
		return &TooLargeError{Size: int64(len(p.out)), Limit: int64(p.limit)}
	}
	return nil
}

// Write implements io.Writer.
func (p *packer) Write(b []byte) (int, error) {
	switch {
	case p.writer != nil:
		return p.writer.Write(b)
	case p.codec == None:
		return (*packedBytes)(p).Write(b)
	}
	n, size := len(b), xerialBlockSize
	if p.codec == LZ4 {
		size = lz4BlockSize
	}
	for len(b) > 0 {
		m := min(len(b), size-len(p.block))
		p.block = append(p.block, b[:m]...)
		b = b[m:]
		if len(p.block) == size {
			if err := p.flushBlock(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (p *packer) flushBlock() error {
	if len(p.block) == 0 {
		return nil
	}
	if p.codec == LZ4 {
		size, packed := p.lz4.pack(p.block)
		p.out = binary.LittleEndian.AppendUint32(p.out, size)
		_, err := (*packedBytes)(p).Write(packed)
		p.block = p.block[:0]
		return err
	}
	p.packed = snappy.Encode(p.packed[:cap(p.packed)], p.block)
	p.block = p.block[:0]
	p.out = binary.BigEndian.AppendUint32(p.out, uint32(len(p.packed)))
	p.out = append(p.out, p.packed...)
	return p.checkSize()
}

// close packs what is left; out is complete then.
func (p *packer) close() error {
	if p.writer != nil {
		return p.writer.Close()
	}
	if err := p.flushBlock(); err != nil || p.codec != LZ4 {
		return err
	}
	p.out = binary.LittleEndian.AppendUint32(p.out, 0) // ends the frame
	return p.checkSize()
}

// release gives the packer back. What it wrote is the caller's.
func (p *packer) release() {
	p.out, p.block, p.writer = nil, p.block[:0], nil
	packers[p.codec][p.strength].Put(p)
}
