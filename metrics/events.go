package metrics

import "klamm/observe"

// events are the counts of what is rare.
func (s *scrape) events() {
	isr := map[string]int64{}
	session, unclean := map[string]int64{}, int64(0)
	all := s.counter("klamm_events_total", "Events of the broker by kind and reason")
	rebalances := s.counter("klamm_group_rebalances_total", "Generations that groups began, by the reason")
	evictions := s.counter("klamm_group_evictions_total", "Members that were removed from groups without having asked for that, by the reason")
	for _, c := range s.Observer().EventCounts() {
		all.addInt(c.Count, labels("kind", c.Kind, "reason", c.Reason))
		switch c.Kind {
		case observe.ISRChanged{}.Kind():
			isr[c.Reason] += c.Count
		case observe.SessionChanged{}.Kind():
			session[c.Reason] += c.Count
		case observe.UncleanElection{}.Kind():
			unclean += c.Count
		case observe.Rebalanced{}.Kind():
			rebalances.addInt(c.Count, labels("reason", c.Reason))
		case observe.MemberEvicted{}.Kind():
			evictions.addInt(c.Count, labels("reason", c.Reason))
		}
	}
	s.counter("kafka_server_replicamanager_isrshrinks_total", "Times that replicas left the ISR of a partition led here").addInt(isr["shrink"])
	s.counter("kafka_server_replicamanager_isrexpands_total", "Times that replicas joined the ISR of a partition led here").addInt(isr["expand"])
	s.counter("kafka_server_replicamanager_failedisrupdates_total", "Changes of ISRs that the controller refused for good").
		addInt(s.Observer().Count(observe.FailedISRUpdates))
	s.counter("kafka_controller_controllerstats_uncleanleaderelections_total", "Leaders that this broker elected as the controller though they were not in sync").addInt(unclean)
	const listener = "kafka_server_sessionexpirelistener_zookeeper"
	s.counter(listener+"disconnects_total", "Times that the connection to the metadata tree was lost").addInt(session[observe.SessionDisconnected])
	s.counter(listener+"syncconnects_total", "Times that the connection to the metadata tree was made").
		addInt(session[observe.SessionReconnected] + session[observe.SessionBegan] + 1)
	s.counter(listener+"expires_total", "Sessions with the metadata tree that ended").addInt(session[observe.SessionExpired])
	for _, never := range []string{"authfailures", "readonlyconnects", "saslauthentications"} {
		s.counter(listener+never+"_total", "Never happens: klamm has no such sessions").addInt(0)
	}
}
