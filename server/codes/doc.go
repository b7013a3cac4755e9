// Package codes turns the typed errors of the rooms below into the protocol's error
// codes and the sentences beside them. It is the one place where that happens: no
// room below the server knows a code.
//
// It decides nothing else, and logs nothing. Begin reading at Of.
package codes
