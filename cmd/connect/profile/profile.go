// Package profile keeps profiles: names for clusters and for the ways to reach them. A profile is a properties file of a Java client, NAME.properties, in
// the folder klamm/profiles of the user's configuration (~/.config on Linux), which only the user may read. The file klamm/profile has the name of the one in use.
//
// It does not know what the properties mean.
//
// Begin reading at [Open].
package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"klamm/server/config"
)

// Profile is one profile.
type Profile struct {
	Name       string
	Properties map[string]string
}

// Store is where the profiles of a user are.
type Store struct{ dir string }

// ErrNowhere says that the user has no folder for configuration.
var ErrNowhere = errors.New("there is no place for profiles: neither XDG_CONFIG_HOME nor HOME is set in the environment")

// The names in a store.
const (
	folder      = "profiles"
	currentFile = "profile"
	ending      = ".properties"
)

// allowed are the names that are files of their own on any system, and need no quotes in a shell.
var allowed = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Open gives the store of the user, which may be empty.
func Open() (Store, error) {
	dir, err := os.UserConfigDir()
	if err != nil || !filepath.IsAbs(dir) {
		return Store{}, ErrNowhere
	}
	return Store{filepath.Join(dir, "klamm")}, nil
}

// Path gives the file of a profile, which need not exist.
func (s Store) Path(name string) string { return filepath.Join(s.dir, folder, name+ending) }

// List gives the names in their order.
func (s Store) List() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, folder))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the profiles: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ending); ok && allowed.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// Get reads a profile.
func (s Store) Get(name string) (Profile, error) {
	if err := check(name); err != nil {
		return Profile{}, err
	}
	properties, err := config.ReadProperties(s.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return Profile{}, s.missing(name)
	}
	if err != nil {
		return Profile{}, fmt.Errorf("profile %s: %w", name, err)
	}
	return Profile{name, properties}, nil
}

// Create writes a profile that does not exist yet.
func (s Store) Create(p Profile) error {
	if err := check(p.Name); err != nil {
		return err
	}
	path := s.Path(p.Name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("creating the profile %s: %w", p.Name, err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a profile %s already; klamm profile delete %s removes it", p.Name, p.Name)
	}
	if err != nil {
		return fmt.Errorf("creating the profile %s: %w", p.Name, err)
	}
	_, err = file.WriteString(config.FormatProperties(p.Properties))
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(fmt.Errorf("creating the profile %s: %w", p.Name, err), os.Remove(path))
	}
	return nil
}

// Delete removes a profile. If it was in use, none is then.
func (s Store) Delete(name string) error {
	if err := check(name); err != nil {
		return err
	}
	err := os.Remove(s.Path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return s.missing(name)
	}
	if err != nil {
		return fmt.Errorf("deleting the profile %s: %w", name, err)
	}
	if current, err := s.Current(); err != nil || current != name {
		return err
	}
	return os.Remove(filepath.Join(s.dir, currentFile))
}

// Current gives the name of the profile in use, "" for none.
func (s Store) Current() (string, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, currentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading which profile is in use: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// Use makes a profile the one in use.
func (s Store) Use(name string) error {
	if _, err := s.Get(name); err != nil {
		return err
	}
	path := filepath.Join(s.dir, currentFile)
	if err := os.WriteFile(path+".new", []byte(name+"\n"), 0o600); err != nil {
		return fmt.Errorf("using the profile %s: %w", name, err)
	}
	return os.Rename(path+".new", path)
}

func check(name string) error {
	if !allowed.MatchString(name) {
		return fmt.Errorf("%q cannot be the name of a profile: it has 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit", name)
	}
	return nil
}

// missing says that there is no such profile, and which there are.
func (s Store) missing(name string) error {
	names, err := s.List()
	if err != nil || len(names) == 0 {
		return fmt.Errorf("there is no profile %s, and no other; klamm profile create %s makes it", name, name)
	}
	slices.Sort(names)
	return fmt.Errorf("there is no profile %s; there are %s", name, strings.Join(names, ", "))
}
