package greeting

import "testing"

func TestGreeting(t *testing.T) {
	if got := Greeting("world"); got != "hello, world" {
		t.Fatal(got)
	}
}
