package testing

import "unsafe"

// The witness has both (its package has a name of its own in every run, and nothing of that is compiled into this one).

//go:linkname worktrialFailed worktrial.failed
func worktrialFailed(test unsafe.Pointer) bool

//go:linkname worktrialStrayed worktrial.strayed
func worktrialStrayed()

// worktrialTell says, before anything is written to the test's state, that the test has failed to which c belongs.
func (c *common) worktrialTell() {
	for above := c; above != nil; above = above.parent {
		if worktrialFailed(unsafe.Pointer(above)) {
			return
		}
	}
	worktrialStrayed()
}
