// Package words has its words from C.
package words

// static const char *hello(void) { return "hello"; }
import "C"

// Hello is the word.
func Hello() string { return C.GoString(C.hello()) }
