package config

import "slices"

// protocolVersion is the property with the version that brokers speak among themselves.
const protocolVersion = "inter.broker.protocol.version"

// ownVersion is the version that klamm speaks with other brokers.
const ownVersion = "3.9-IV0"

// leastVersion is the oldest version of a cluster that klamm joins: from it on leaders ask the controller for changes of the ISR (KIP-497).
const leastVersion = "2.7-IV2"

// clusterVersion is the version that the brokers of the cluster are said to speak.
func (b *Broker) clusterVersion() string {
	version, _ := findVersion(b.values.String(protocolVersion))
	return version
}

// speaksOwnVersion says whether the brokers of the cluster speak the version that klamm does.
func (b *Broker) speaksOwnVersion() bool { return b.clusterVersion() == ownVersion }

// speaksTooOld says whether the brokers of the cluster speak a version before leastVersion.
func (b *Broker) speaksTooOld() bool {
	return b.zookeeper != nil && slices.Index(metadataVersions, b.clusterVersion()) < slices.Index(metadataVersions, leastVersion)
}

// refusals finds the settings that klamm cannot do what they ask for, where a broker that started all the same would let clients do what
// they must not, or would miss data or requests of its peers, and nobody would notice. Listeners in TLS or SASL are refused by settleListeners.
func (b *Broker) refusals() (errs []*crossError) {
	v := b.values
	if class := v.String("authorizer.class.name"); class != "" {
		errs = append(errs, crossf("authorizer.class.name", "klamm has no authorizer yet, so that every client could do everything that %s forbids; "+
			"leave the property out to start a broker that everybody may use", quoted{"authorizer.class.name", class}))
	}
	if v.Bool("remote.log.storage.system.enable") {
		errs = append(errs, crossf("remote.log.storage.system.enable", "klamm has no tiered storage, and would not find the records that are in remote storage "+
			"alone; copy each topic with remote.storage.enable=true into one without it and delete it, and then leave the property out"))
	}
	if v.Bool("zookeeper.metadata.migration.enable") {
		errs = append(errs, crossf("zookeeper.metadata.migration.enable", "klamm takes no part in a migration to KRaft; finish or revert the migration first, "+
			"or leave the property out if none was begun"))
	}
	if b.speaksTooOld() {
		e := crossf(protocolVersion, "klamm speaks %s with the other brokers, and brokers with %s do not take its requests; bring all of them to 3.9, set this "+
			"property to 3.9 on all, and restart them one after the other", ownVersion, quoted{protocolVersion, v.String(protocolVersion)})
		e.with = []string{"zookeeper.connect"}
		errs = append(errs, e)
	}
	return errs
}
