package javalib

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Exception is an error with the class that it has in a JVM.
type Exception struct {
	Class   string // with its package
	Message string
	Code    int16 // of the protocol; 0 for one that no broker answered
}

// Error is Throwable.getMessage.
func (e *Exception) Error() string { return e.Message }

// String is Throwable.toString.
func (e *Exception) String() string {
	if e.Message == "" {
		return e.Class
	}
	return e.Class + ": " + e.Message
}

// kafkaErrors is the package of the classes of Kafka's errors.
const kafkaErrors = "org.apache.kafka.common.errors."

// IllegalArgument makes an IllegalArgumentException.
func IllegalArgument(message string) *Exception {
	return &Exception{Class: "java.lang.IllegalArgumentException", Message: message}
}

// Kafka makes an exception of one of Kafka's classes.
func Kafka(class, message string) *Exception {
	return &Exception{Class: kafkaErrors + class, Message: message}
}

// FromCode makes the exception of a code of the protocol, with the message that the broker sent or else the one that
// Kafka has for the code; nil for no error.
func FromCode(code int16, message *string) *Exception {
	if code == 0 {
		return nil
	}
	e := kerr.TypedErrorForCode(code)
	if e == nil {
		e = kerr.UnknownServerError
	}
	text := e.Description
	if message != nil && *message != "" {
		text = *message
	}
	return &Exception{Class: kafkaErrors + classOf(e), Message: text, Code: code}
}

// OfError is an error as a JVM's client would have it.
func OfError(err error) *Exception {
	switch e := err.(type) {
	case nil:
		return nil
	case *Exception:
		return e
	case *kerr.Error:
		return FromCode(e.Code, nil)
	}
	return &Exception{Class: kafkaErrors + "TimeoutException", Message: err.Error()}
}

// Execution is the message of the ExecutionException that a future throws for an error.
func Execution(err error) *Exception {
	return &Exception{Class: "java.util.concurrent.ExecutionException", Message: OfError(err).String(), Code: OfError(err).Code}
}

// classes are the classes whose names do not follow from the error's.
var classes = map[string]string{
	"CORRUPT_MESSAGE":                       "CorruptRecordException",
	"REQUEST_TIMED_OUT":                     "TimeoutException",
	"MESSAGE_TOO_LARGE":                     "RecordTooLargeException",
	"STALE_CONTROLLER_EPOCH":                "ControllerMovedException",
	"OFFSET_METADATA_TOO_LARGE":             "OffsetMetadataTooLarge",
	"NETWORK_EXCEPTION":                     "NetworkException",
	"INVALID_TOPIC_EXCEPTION":               "InvalidTopicException",
	"RECORD_LIST_TOO_LARGE":                 "RecordBatchTooLargeException",
	"TOPIC_AUTHORIZATION_FAILED":            "TopicAuthorizationException",
	"GROUP_AUTHORIZATION_FAILED":            "GroupAuthorizationException",
	"CLUSTER_AUTHORIZATION_FAILED":          "ClusterAuthorizationException",
	"TOPIC_ALREADY_EXISTS":                  "TopicExistsException",
	"INVALID_CONFIG":                        "InvalidConfigurationException",
	"OUT_OF_ORDER_SEQUENCE_NUMBER":          "OutOfOrderSequenceException",
	"DUPLICATE_SEQUENCE_NUMBER":             "DuplicateSequenceException",
	"INVALID_PRODUCER_ID_MAPPING":           "InvalidPidMappingException",
	"INVALID_TRANSACTION_TIMEOUT":           "InvalidTxnTimeoutException",
	"TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "TransactionalIdAuthorizationException",
	"KAFKA_STORAGE_ERROR":                   "KafkaStorageException",
	"SASL_AUTHENTICATION_FAILED":            "SaslAuthenticationException",
	"DELEGATION_TOKEN_AUTH_DISABLED":        "DelegationTokenDisabledException",
	"DELEGATION_TOKEN_REQUEST_NOT_ALLOWED":  "UnsupportedByAuthenticationException",
	"DELEGATION_TOKEN_AUTHORIZATION_FAILED": "DelegationTokenAuthorizationException",
	"NON_EMPTY_GROUP":                       "GroupNotEmptyException",
	"UNKNOWN_SERVER_ERROR":                  "UnknownServerException",
	"PRINCIPAL_DESERIALIZATION_FAILURE":     "PrincipalDeserializationException",
	"FETCH_SESSION_TOPIC_ID_ERROR":          "FetchSessionTopicIdException",
}

func classOf(e *kerr.Error) string {
	if class := classes[e.Message]; class != "" {
		return class
	}
	var class strings.Builder
	for word := range strings.SplitSeq(e.Message, "_") {
		class.WriteString(word[:1] + strings.ToLower(word[1:]))
	}
	return class.String() + "Exception"
}
