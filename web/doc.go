// Package web serves metrics and health by HTTP, on a listener of its own (klamm.http.listener).
//
//	/metrics                 metrics under the names that dashboards for Apache Kafka use
//	/metrics/cruise-control  those that Cruise Control reads
//	/healthz                 200 while the process turns
//	/readyz, /v1/ready       200 while the broker runs and reaches the metadata tree
//	/v1/broker-state         the broker's state as Strimzi's agent gives it
//	/safe-to-restart         200 when no partition falls below min.insync.replicas without this broker
//
// It listens before the broker starts, so that a long recovery can be watched. It reads the broker and changes nothing; no other room depends on it.
//
// A page that a browser shows from elsewhere must not read it: a request for a host that is not this machine is refused where only this machine
// can reach the listener (DNS rebinding).
//
// Begin reading at Listen, then health.go.
package web
