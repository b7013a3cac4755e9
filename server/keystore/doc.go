// Package keystore reads the files in which Java programs keep keys and certificates: JKS, PKCS12 and PEM. It gives
// what crypto/tls takes. It knows no property and opens no connection.
//
// Begin reading at [LoadKey] and [LoadTrust].
package keystore
