package sctpdtls

import (
	"context"
	"errors"
	"reflect"
	"syscall"
	"testing"
)

// Every method, those of coming versions too, of what is nil or nobody has made returns EINVAL if
// it returns an error, as package net's do, and does not panic.
func TestMethodsOfNothing(t *testing.T) {
	for _, of := range []any{
		(*Conn)(nil), new(Conn), (*Stream)(nil), new(Stream), (*Listener)(nil), new(Listener),
	} {
		v := reflect.ValueOf(of)
		for i := range v.NumMethod() {
			name := v.Type().Method(i).Name
			method := v.Method(i)
			var args []reflect.Value
			for j := range method.Type().NumIn() {
				if in := method.Type().In(j); in == reflect.TypeFor[context.Context]() {
					args = append(args, reflect.ValueOf(t.Context()))
				} else {
					args = append(args, reflect.Zero(in))
				}
			}
			func() {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("%T, nil %v: %s panics: %v", of, v.IsNil(), name, p)
					}
				}()
				for _, result := range method.Call(args) {
					if err, ok := result.Interface().(error); ok && !errors.Is(err, syscall.EINVAL) ||
						result.Type() == reflect.TypeFor[error]() && !ok {
						t.Errorf("%T, nil %v: %s returns %v", of, v.IsNil(), name, err)
					}
				}
			}()
		}
	}
}
