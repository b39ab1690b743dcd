package main

import (
	"fmt"
	"os"

	"example.com/greeting"
)

func main() {
	fmt.Println(greeting.Greeting(os.Args[1]))
}
