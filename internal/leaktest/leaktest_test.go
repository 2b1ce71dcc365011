package leaktest

import (
	"os"
	"strings"
	"testing"
)

// TestLeaks checks that Run detects goroutines and file descriptors that are left behind, and
// nothing else.
func TestLeaks(t *testing.T) {
	before := descriptors()
	find := func(prefix, what string) bool {
		for _, leak := range leaks(before) {
			if strings.HasPrefix(leak, prefix) && strings.Contains(leak, what) {
				return true
			}
		}
		return false
	}
	const file = "leaktest_test.go"
	if find("descriptor", "") || find("goroutine", "leaktest.waits") {
		t.Fatal("found what is not there:", leaks(before))
	}
	begun, end := make(chan struct{}), make(chan struct{})
	go waits(begun, end)
	<-begun
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if !find("descriptor", file) || !find("goroutine", "leaktest.waits") {
		t.Error("not found:", leaks(before))
	}
	close(end)
	f.Close()
	if find("descriptor", "") {
		t.Error("found a descriptor that is closed:", leaks(before))
	}
}

func waits(begun, end chan struct{}) {
	begun <- struct{}{}
	<-end
}

func TestMain(m *testing.M) { os.Exit(Run(m)) }
