package delivery

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// account is what a test says of a guarantee.
type account struct {
	sent      int
	processed int    // records that were processed at least once
	lost      int    // records that were not processed
	doubled   int    // times that one was stored or processed more than it was sent
	how       string // what was lost or doubled where
	faults    string
}

var (
	accountsMu sync.Mutex
	accounts   []string // guarded by accountsMu
)

// tell notes an account: it is printed when all tests have ended, passed or not.
func (a account) tell(t *testing.T) {
	line := fmt.Sprintf("%s: %d records sent, %d processed, %d lost, %d doubled", strings.TrimPrefix(t.Name(), "Test"), a.sent, a.processed, a.lost, a.doubled)
	if a.how != "" {
		line += " (" + a.how + ")"
	}
	line += "; faults: " + a.faults
	t.Log(line)
	accountsMu.Lock()
	defer accountsMu.Unlock()
	accounts = append(accounts, line)
}

func printAccounts() {
	slices.Sort(accounts)
	for _, line := range accounts {
		fmt.Println(line)
	}
}
