//go:build !linux

package userspace

var waysOfSystem []way
