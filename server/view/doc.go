// Package view looks up what the requests of several families name: a partition that this
// broker leads or has a replica of (with the reference's error where it does not), and the
// brokers with the addresses at which a client reaches them.
//
// It changes nothing and holds no state. Begin reading at Partition.
package view
