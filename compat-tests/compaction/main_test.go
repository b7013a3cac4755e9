package compaction

import (
	"os"
	"testing"

	"klamm/compat-tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Tests(m)) }
