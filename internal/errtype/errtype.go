// Package errtype is errors.AsType of Go 1.26 for the release before it. Once 1.26 is the oldest
// release that is supported, errors.AsType takes its place.
package errtype

import "errors"

// As returns the first error in the tree of err that has type E, and whether there is one.
func As[E error](err error) (E, bool) {
	var e E
	ok := errors.As(err, &e)
	return e, ok
}
