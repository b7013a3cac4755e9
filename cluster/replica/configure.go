package replica

// Configure gives a topic's partitions its changed properties, which topicConfig gives as they are now.
func (m *Manager) Configure(name string, topicConfig func(topic string) map[string]string) {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	overrides := topicConfig(name)
	config := m.o.Resolve(overrides)
	m.mu.Lock()
	t := m.topics[name]
	if t != nil {
		t.overrides, t.config = overrides, config
	}
	m.mu.Unlock()
	if t != nil {
		m.configureAll(func(topic string) bool { return topic == name })
	}
}

// ConfigureAll is Configure for all topics that have partitions here. It looks at each topic and at each partition once, however many
// there are: a broker whose session with the metadata tree ended calls it, as it does not know which topics changed meanwhile.
func (m *Manager) ConfigureAll(topicConfig func(topic string) map[string]string) {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	overrides := m.overrides()
	for name := range overrides {
		overrides[name] = topicConfig(name)
	}
	m.resolveAll(overrides)
}

// Reconfigure resolves every topic's properties again, after the broker's
// defaults have changed.
func (m *Manager) Reconfigure() {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	m.resolveAll(m.overrides())
}

// overrides gives each topic's own properties.
func (m *Manager) overrides() map[string]map[string]string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	overrides := make(map[string]map[string]string, len(m.topics))
	for name, t := range m.topics {
		overrides[name] = t.overrides
	}
	return overrides
}

// resolveAll gives topics their own properties, and all partitions what these mean. The caller holds configuring, so that the overrides are not
// older than those that the topics have.
func (m *Manager) resolveAll(overrides map[string]map[string]string) {
	configs := make(map[string]*Config, len(overrides))
	for name, own := range overrides {
		configs[name] = m.o.Resolve(own)
	}
	m.mu.Lock()
	for name, config := range configs {
		if t := m.topics[name]; t != nil {
			t.overrides, t.config = overrides[name], config
		}
	}
	m.mu.Unlock()
	m.configureAll(func(string) bool { return true })
}

// configureAll gives partitions their topic's configuration. It goes over all
// partitions, since the numbers of a topic's partitions on this broker may have gaps.
func (m *Manager) configureAll(concerned func(topic string) bool) {
	for _, p := range m.all() {
		if concerned(p.tp.Topic) {
			p.configure()
		}
	}
}

// configure gives the partition what its topic's configuration is now. Of two calls at the same time the later one brings the newer
// configuration.
func (p *Partition) configure() {
	m := p.manager
	p.configuring.Lock()
	defer p.configuring.Unlock()
	config := m.configOf(p.tp.Topic)
	if config == nil {
		return // the partition was deleted
	}
	was := p.config.Swap(config)
	p.log.Configure(config.Log)
	if was != nil && was.MinInSyncReplicas != config.MinInSyncReplicas {
		p.advance()
	}
}

// pin resolves the configuration of a topic of which partitions are to be made, and keeps it until unpin: changes that come while they are
// made are not lost.
func (m *Manager) pin(name string, topicConfig func(topic string) map[string]string) {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	overrides := topicConfig(name)
	config := m.o.Resolve(overrides)
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[name]
	if t == nil {
		t = &topic{counts: m.o.Observer.Topic(name)}
		m.topics[name] = t
	}
	t.overrides, t.config = overrides, config
	t.partitions++
}

// unpin ends a pin.
func (m *Manager) unpin(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.releaseTopicLocked(name)
}

// releaseTopicLocked counts a partition of a topic less.
func (m *Manager) releaseTopicLocked(name string) {
	t := m.topics[name]
	if t.partitions--; t.partitions == 0 {
		delete(m.topics, name)
		m.o.Observer.TopicGone(name)
	}
}

// configOf gives the configuration of a topic that is pinned or has partitions here, nil for any other.
func (m *Manager) configOf(name string) *Config {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if t := m.topics[name]; t != nil {
		return t.config
	}
	return nil
}
