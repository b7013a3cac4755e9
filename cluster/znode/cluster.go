package znode

import (
	"errors"
	"strconv"
)

// EncodeClusterID writes the body of /cluster/id.
func EncodeClusterID(id string) []byte {
	return encode(struct {
		Version string `json:"version"`
		ID      string `json:"id"`
	}{"1", id})
}

// DecodeClusterID reads the body of /cluster/id. The error is a *DecodeError.
func DecodeClusterID(data []byte) (string, error) {
	var body struct {
		ID string `json:"id"`
	}
	if err := decode(ClusterID, data, &body); err != nil {
		return "", err
	}
	if body.ID == "" {
		return "", &DecodeError{Path: ClusterID, Data: data, Err: errors.New("id is missing")}
	}
	return body.ID, nil
}

// claim is the body of Claim.
type claim struct {
	Version int    `json:"version"`
	Cluster string `json:"cluster"`
	Broker  *int32 `json:"broker"`
}

// EncodeClaim writes the body of Claim: whose tree is being copied.
func EncodeClaim(clusterID string, broker int32) []byte { return encode(claim{1, clusterID, &broker}) }

// DecodeClaim reads the body of Claim. The error is a *DecodeError.
func DecodeClaim(data []byte) (clusterID string, broker int32, err error) {
	var body claim
	if err := decode(Claim, data, &body); err != nil {
		return "", 0, err
	}
	if body.Cluster == "" || body.Broker == nil {
		return "", 0, &DecodeError{Path: Claim, Data: data, Err: errors.New("cluster or broker is missing")}
	}
	return body.Cluster, *body.Broker, nil
}

// ProducerIDs is how many producer ids a block has (ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE).
const ProducerIDs = 1000

// ProducerIDBlock is the body of /latest_producer_id_block: the producer ids that a broker may
// give out, both ends included.
type ProducerIDBlock struct {
	Broker     int32
	Start, End int64
}

// Encode writes version 1 of the body.
func (b ProducerIDBlock) Encode() []byte {
	return encode(struct {
		Version int    `json:"version"`
		Broker  int32  `json:"broker"`
		Start   string `json:"block_start"`
		End     string `json:"block_end"`
	}{1, b.Broker, strconv.FormatInt(b.Start, 10), strconv.FormatInt(b.End, 10)})
}

// DecodeProducerIDBlock reads the body of /latest_producer_id_block. The error is a *DecodeError. Before the
// first block the node's data is null; DecodeProducerIDBlock refuses null, so the caller has to look for it.
func DecodeProducerIDBlock(data []byte) (ProducerIDBlock, error) {
	var body struct {
		Broker int32  `json:"broker"`
		Start  *int64 `json:"block_start,string"`
		End    *int64 `json:"block_end,string"`
	}
	if err := decode(LatestProducerIDBlock, data, &body); err != nil {
		return ProducerIDBlock{}, err
	}
	if body.Start == nil || body.End == nil || *body.Start < 0 || *body.End < *body.Start {
		return ProducerIDBlock{}, &DecodeError{Path: LatestProducerIDBlock, Data: data, Err: errors.New("not a block of producer ids")}
	}
	return ProducerIDBlock{Broker: body.Broker, Start: *body.Start, End: *body.End}, nil
}
