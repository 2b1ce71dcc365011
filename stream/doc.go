// Package stream carries messages and streams above one SCTP association:
// it says what it needs of an association ([Association]), and puts messages
// together that the association delivers in parts ([Reader]). It moves
// messages that it does not read.
package stream
