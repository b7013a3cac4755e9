// Package view finds what requests of several families name: a partition that this
// broker leads, with the reference's error where it does not, and the brokers as the
// client of a listener reaches them.
//
// It changes nothing and holds no state. Begin reading at Partition.
package view
