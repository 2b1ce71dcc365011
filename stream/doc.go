// Package stream carries messages and streams above one SCTP association.
package stream
