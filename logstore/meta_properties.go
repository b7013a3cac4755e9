package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/magiconair/properties"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// metaPropertiesName is the file at the top of each log directory that says to which
// broker and cluster the directory belongs.
const metaPropertiesName = "meta.properties"

// NoBrokerID stands for a broker id that is not set.
const NoBrokerID int32 = -1

// MetaProperties is the content of meta.properties: the broker and the cluster
// that a log directory belongs to. It is the form of Apache Kafka 3.9 with
// ZooKeeper, version 0, in which each entry may be missing
// (org.apache.kafka.metadata.properties.MetaProperties).
type MetaProperties struct {
	// BrokerID is NoBrokerID when the file has none.
	BrokerID int32
	// ClusterID is empty when the file has none.
	ClusterID string
	// DirectoryID is zero when the file has none. Apache's broker writes one only
	// on its way to KRaft; klamm keeps it and makes none.
	DirectoryID protocol.UUID
}

// MetaPropertiesError says that a log directory may not be used, and why.
type MetaPropertiesError struct {
	Path string // of the meta.properties file
	Key  string // which entry; empty when the file as a whole is at fault
	// Found and Want are the values that should be equal; both empty when the
	// entry could not be read.
	Found, Want string
	Err         error // the reason, where it is no mismatch
}

func (e *MetaPropertiesError) Error() string {
	switch {
	case e.Want != "":
		return fmt.Sprintf("%s: %s is %s, but this broker's is %s: the directory holds data of another broker or cluster; "+
			"correct the configuration (broker.id, log.dirs), or remove the directory's content to start anew",
			e.Path, e.Key, e.Found, e.Want)
	case e.Key != "":
		return fmt.Sprintf("%s: %s: %v; restore the file, or remove it to have it written anew", e.Path, e.Key, e.Err)
	}
	return fmt.Sprintf("%s: %v; make it readable, or remove it to have it written anew", e.Path, e.Err)
}

// Unwrap gives the reason.
func (e *MetaPropertiesError) Unwrap() error { return e.Err }

// ReadMetaProperties reads the file of a log directory. It fails with
// fs.ErrNotExist when there is none, with *MetaPropertiesError when it cannot
// be read or understood.
func ReadMetaProperties(disk vfs.FS, dir string) (MetaProperties, error) {
	path := filepath.Join(dir, metaPropertiesName)
	data, err := disk.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return MetaProperties{}, err
	}
	if err != nil {
		return MetaProperties{}, &MetaPropertiesError{Path: path, Err: reason(err)}
	}
	return parseMetaProperties(path, data)
}

// reason takes the path out of an error that gets it anew.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

func parseMetaProperties(path string, data []byte) (MetaProperties, error) {
	m := MetaProperties{BrokerID: NoBrokerID}
	loader := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	p, err := loader.LoadBytes(data)
	if err != nil {
		return m, &MetaPropertiesError{Path: path, Err: fmt.Errorf("not a properties file: %w", err)}
	}
	if v, ok := p.Get("version"); ok && strings.TrimSpace(v) != "0" {
		return m, &MetaPropertiesError{Path: path, Key: "version",
			Err: fmt.Errorf("%q is not 0, the one of brokers with ZooKeeper", v)}
	}
	if v, ok := p.Get("broker.id"); ok {
		id, err := strconv.ParseInt(v, 10, 32)
		if err != nil {
			return m, &MetaPropertiesError{Path: path, Key: "broker.id", Err: fmt.Errorf("%q is no number", v)}
		}
		m.BrokerID = int32(id)
	}
	m.ClusterID = p.GetString("cluster.id", "")
	if v, ok := p.Get("directory.id"); ok {
		if m.DirectoryID, err = protocol.ParseUUID(v); err != nil {
			return m, &MetaPropertiesError{Path: path, Key: "directory.id", Err: err}
		}
	}
	return m, nil
}

// javaDate is the form of java.util.Date that Properties.store writes.
const javaDate = "Mon Jan 02 15:04:05 MST 2006"

// encode gives the file as Java's Properties.store writes it: an empty comment,
// the time of writing, and the entries in the order of Java's hash table.
func (m MetaProperties) encode(now time.Time) []byte {
	var b strings.Builder
	b.WriteString("#\n#" + now.Format(javaDate) + "\n")
	if m.BrokerID != NoBrokerID {
		fmt.Fprintf(&b, "broker.id=%d\n", m.BrokerID)
	}
	if !m.DirectoryID.IsZero() {
		fmt.Fprintf(&b, "directory.id=%s\n", m.DirectoryID)
	}
	b.WriteString("version=0\n")
	if m.ClusterID != "" {
		fmt.Fprintf(&b, "cluster.id=%s\n", escapeProperty(m.ClusterID))
	}
	return []byte(b.String())
}

// escapeProperty writes a value as Properties.store does.
func escapeProperty(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == ' ' && i == 0, r == '\\', r == '=', r == ':', r == '#', r == '!':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// completed checks the file's entries against the broker's own and gives the
// properties that the file should have. A broker id or cluster id that is not
// known yet is taken over from the file.
func (m MetaProperties) completed(path string, brokerID int32, clusterID string) (MetaProperties, error) {
	switch {
	case m.BrokerID == NoBrokerID:
		m.BrokerID = brokerID
	case brokerID != NoBrokerID && m.BrokerID != brokerID:
		return m, &MetaPropertiesError{Path: path, Key: "broker.id",
			Found: strconv.Itoa(int(m.BrokerID)), Want: strconv.Itoa(int(brokerID))}
	}
	switch {
	case m.ClusterID == "":
		m.ClusterID = clusterID
	case clusterID != "" && m.ClusterID != clusterID:
		return m, &MetaPropertiesError{Path: path, Key: "cluster.id", Found: m.ClusterID, Want: clusterID}
	}
	return m, nil
}
