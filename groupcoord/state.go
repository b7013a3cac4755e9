package groupcoord

// State is where a group is in its life, as DescribeGroups and ListGroups name it.
type State int8

const (
	// Empty is a group without members: one that nobody has joined yet, that all have left, or that is only used for
	// its offsets.
	Empty State = iota
	// PreparingRebalance is a group whose members are asked to join anew.
	PreparingRebalance
	// CompletingRebalance is a group in a new generation that waits for its leader's assignment.
	CompletingRebalance
	// Stable is a group whose members have their assignments.
	Stable
	// Dead is a group that is no more, or is coordinated elsewhere.
	Dead
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}

func (s State) String() string { return stateNames[s] }
