//go:build tools

// Package tools names the programs that the tests run, so that go.mod fixes their versions.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
