// Package greeting greets.
package greeting

import (
	_ "embed"
	"fmt"
	"strings"

	"example.com/greeting/words"
)

//go:embed format.txt
var format string

// Greeting is what to say to name.
func Greeting(name string) string {
	return fmt.Sprintf(strings.TrimSpace(format), words.Hello(), name)
}
