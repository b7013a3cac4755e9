// Package request holds a request on its way from its connection to who serves its
// API, and its answer on the way back: Call, the two ways to make a Handler of a
// function from a message of kmsg's to its answer (Typed and TypedLater), and the bounds
// on a body that hold before kmsg reads it (shape.go).
//
// It knows no API's meaning, no cluster and no log: the rooms by family (data, groups,
// admin) do, which import it and are not imported by it.
//
// Begin reading at call.go.
package request
