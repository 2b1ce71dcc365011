package dtlscore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestAlert(t *testing.T) {
	if got := fmt.Sprintf("%x", appendAlert(nil, levelFatal, AlertDecodeError)); got != "0232" {
		t.Error(got)
	}
	for _, tt := range []struct {
		body  string
		level alertLevel
		alert Alert
	}{
		{"0100", levelWarning, AlertCloseNotify},
		{"0232", levelFatal, AlertDecodeError},
		{"0764", levelFatal, AlertNoRenegotiation}, // unknown level, D10
	} {
		if level, a, err := parseAlert(unhex(t, tt.body)); err != nil || level != tt.level ||
			a != tt.alert {
			t.Errorf("%s: %v, %v, %v", tt.body, level, a, err)
		}
	}
	if s := AlertIllegalParameter.String() + ", " +
		Alert(200).String(); s != "illegal_parameter, alert 200" {
		t.Error(s)
	}
	// crypto/tls has names for the same numbers.
	for a, name := range alertNames {
		if text := tls.AlertError(a).Error(); text == fmt.Sprintf("tls: alert(%d)", a) &&
			a != AlertTooManyCIDsRequested {
			t.Errorf("%s has number %d, which crypto/tls does not know", name, a)
		}
	}
}

func TestAttackD10AlertLength(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4} {
		if _, _, err := parseAlert(make([]byte, n)); alertOf(err) != AlertDecodeError {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		err   error
		fault error
		alert Alert
		text  string
	}{
		{misbehaved(AlertBadRecordMAC, "record %d", 1), ErrPeerMisbehaved, AlertBadRecordMAC,
			"peer broke the protocol: record 1"},
		{illegal("x"), ErrPeerMisbehaved, AlertIllegalParameter, "peer broke the protocol: x"},
		{unexpected("x"), ErrPeerMisbehaved, AlertUnexpectedMessage, "peer broke the protocol: x"},
		{malformed("x"), ErrInvalidMessage, AlertDecodeError, "malformed message from peer: x"},
		{incompatible(AlertHandshakeFailure, "x"), ErrPeerIncompatible, AlertHandshakeFailure,
			"peer not compatible: x"},
		{untrusted(AlertUnknownCA, "x"), ErrPeerUntrusted, AlertUnknownCA, "peer not trusted: x"},
		{misuse("x: %w", io.EOF), ErrMisuse, AlertInternalError, "misuse: x: EOF"},
	} {
		if !errors.Is(tt.err, tt.fault) || alertOf(tt.err) != tt.alert || tt.err.Error() != tt.text {
			t.Errorf("%v: %v", tt.err, alertOf(tt.err))
		}
	}
	if !errors.Is(misuse("x: %w", io.EOF), io.EOF) {
		t.Error("the cause is lost")
	}
	if alertOf(io.EOF) != AlertInternalError {
		t.Error(alertOf(io.EOF))
	}
}

func TestAlertError(t *testing.T) {
	local := &AlertError{Alert: AlertBadRecordMAC, Local: true,
		Err: misbehaved(AlertBadRecordMAC, "record 1 does not decrypt")}
	for _, tt := range []struct {
		err  *AlertError
		want string
	}{
		{&AlertError{Alert: AlertHandshakeFailure}, "dtls: peer sent alert handshake_failure"},
		{&AlertError{Alert: AlertUserCanceled, Local: true}, "dtls: sent alert user_canceled"},
		{local, "dtls: peer broke the protocol: record 1 does not decrypt (alert bad_record_mac)"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, not %q", got, tt.want)
		}
	}
	if !errors.Is(local, ErrPeerMisbehaved) {
		t.Error("the reason is lost")
	}
}

func TestNames(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"application_data": contentApplicationData, "change_cipher_spec": contentChangeCipherSpec,
		"alert":     contentAlert,
		"handshake": contentHandshake, "ack": contentACK, "content type 99": contentType(99),
		"ServerKeyExchange": typeServerKeyExchange, "handshake message of type 99": handshakeType(99),
	} {
		if got.String() != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
