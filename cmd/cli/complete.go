package cli

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"klamm/cmd/connect/profile"
)

// completeWithin bounds how long a shell waits for names from a cluster.
const completeWithin = 3 * time.Second

// bare are names that a shell takes as they are. Others are not offered: a name is chosen by whoever may create it, and a shell must not run it.
var bare = regexp.MustCompile(`^[A-Za-z0-9._/:@+-]+$`)

// completion completes an argument.
type completion = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// complete completes arguments with names that a cluster gives: as many of them as the command takes, without end where most is negative.
func (a *ask) complete(most int, names func(context.Context, *session) ([]string, error)) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), completeWithin)
		defer cancel()
		var all []string
		err := a.with(ctx, Process{}, func(s *session) (err error) {
			all, err = names(ctx, s)
			return err
		})
		if err != nil {
			return nil, cobra.ShellCompDirectiveError | cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(all, func(name string) bool { return !bare.MatchString(name) || slices.Contains(args, name) }), cobra.ShellCompDirectiveNoFileComp
	}
}

// topicNames are the topics of the cluster.
func topicNames(ctx context.Context, s *session) ([]string, error) {
	all, err := s.Admin.ListTopicsWithInternal(ctx)
	return all.Names(), err
}

func completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	store, err := profile.Open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := store.List() // a shell has no use for the error
	return names, cobra.ShellCompDirectiveNoFileComp
}
