// Package migrate says whether klamm can take the place of an Apache Kafka broker, before anything is touched: it reads the broker's
// configuration, the cluster's tree in ZooKeeper, the log directories and, where they are to be had, the broker's metrics.
//
// It only reads. It makes no node and no file, takes no lock and registers nothing, so that it may look at a broker that runs. What klamm serves it
// asks where that is known: package config of properties, package cluster of what keeps a broker from starting, package protocol of APIs.
//
// Begin reading at [Check], and at [Finding], which is what it gives.
package migrate
