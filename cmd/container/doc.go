// Package container gives klamm the configuration that an image for containers is given: by environment variables, as the
// images apache/kafka (KAFKA_LOG_DIRS) and bitnami/kafka (KAFKA_CFG_LOG_DIRS) take it. `klamm container` starts a broker with it.
//
// A broker in a container is often configured for KRaft, as broker and controller in one process. klamm has no quorum; as
// long as the configuration is for one process, klamm does the same alone, and keeps the metadata in its embedded tree. A
// configuration for several processes is refused.
//
// [Configure] decides from what it is handed and reads nothing by itself. Begin reading there; variables.go has the names, and
// kraft.go says what becomes of KRaft's properties.
package container
