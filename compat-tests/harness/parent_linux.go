package harness

import "syscall"

// endWithParent has a child be killed when this process ends, however it ends.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
