// Package codes turns the typed errors of the packages below the server into the
// protocol's error codes, and into the sentences that clients get beside them. No other
// package does so: the packages below the server know no codes.
//
// It decides nothing else and logs nothing. Begin reading at Of.
package codes
