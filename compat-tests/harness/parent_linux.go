package harness

import "syscall"

// endWithParent has the kernel kill a child when this process ends, however it ends.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
