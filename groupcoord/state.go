package groupcoord

// State is where a group is in its life, as DescribeGroups and ListGroups name it.
type State int8

const (
	// Empty is a group without members: nobody has joined it yet, all have left it, or it is only used to commit offsets.
	Empty State = iota
	// PreparingRebalance is a group that waits until its members have joined again.
	PreparingRebalance
	// CompletingRebalance is a group in a new generation that waits for its leader's assignment.
	CompletingRebalance
	// Stable is a group whose members have their assignments.
	Stable
	// Dead is a group that was deleted or does not exist, or whose coordinator is another broker now.
	Dead
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}

func (s State) String() string { return stateNames[s] }
