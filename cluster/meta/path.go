package meta

import "strings"

// CheckPath checks that a path is well formed: absolute, no empty, "." or ".." part, no slash at the end
// (but "/" itself), no NUL. The error is ErrInvalidPath.
func CheckPath(path string) error {
	if path == "/" {
		return nil
	}
	if len(path) < 2 || path[0] != '/' || strings.IndexByte(path, 0) >= 0 {
		return ErrInvalidPath
	}
	for rest := path[1:]; ; {
		part, after, more := strings.Cut(rest, "/")
		if part == "" || part == "." || part == ".." {
			return ErrInvalidPath
		}
		if !more {
			return nil
		}
		rest = after
	}
}

// Split gives the path of a node's parent, and the node's name below it. It gives "" and "" for the root.
func Split(path string) (parent, name string) {
	if path == "/" {
		return "", ""
	}
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "/", path[i+1:]
	}
	return path[:i], path[i+1:]
}
