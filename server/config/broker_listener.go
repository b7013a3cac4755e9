package config

// brokerListener has the properties that say where the broker listens and which addresses it tells clients.
var brokerListener = []Property{
	{Name: "listeners", Type: String, Default: def("PLAINTEXT://:9092"), Importance: High, Mode: PerBroker,
		Doc: "Where the broker listens: a list of NAME://host:port. An empty host means every address; an IPv6 address stands in brackets."},
	{Name: "advertised.listeners", Type: String, Importance: High, Mode: PerBroker,
		Doc: "What clients are told to connect to, if it is not what listeners says. A broker alone with neither gives each client the address that its connection came in on."},
	{Name: "listener.security.protocol.map", Type: String, Default: def("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"), Importance: Low, Mode: PerBroker,
		Doc: "Which security protocol each listener name speaks, as NAME:PROTOCOL pairs."},
	{Name: "inter.broker.listener.name", Type: String, Importance: Medium,
		Doc: "The listener that brokers use among themselves. Only one of this and security.inter.broker.protocol may be set."},
	{Name: "security.inter.broker.protocol", Type: String, Default: def("PLAINTEXT"), Valid: OneOf("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), Importance: Medium,
		Doc: "The security protocol among brokers, and so the listener of the same name."},
	{Name: "control.plane.listener.name", Type: String, Importance: High,
		Doc: "A listener kept apart for the controller's requests."},
}
