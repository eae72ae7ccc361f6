package qemu

import (
	"errors"
	"testing"
)

// A guest with fewer processors than its kernel would run is the lab's trouble; a kernel for one is none.
func TestAllProcessors(t *testing.T) {
	for said, fine := range map[string]bool{"2 2": true, "1 1": true, "1 2": false, "3 4": false, "": true, "x": true} {
		err := allProcessors([]byte(said))
		var infra *InfraError
		if (err == nil) != fine || !fine && !errors.As(err, &infra) {
			t.Errorf("%q: %v", said, err)
		}
	}
}
