// Package stream carries messages and streams above one SCTP association:
// it says what it needs of an association ([Association]), puts messages
// together that the association delivers in parts ([Reader]), and keeps those that were read until
// the readers of their streams ask for them ([Mux]). It moves messages that it does not read.
package stream
