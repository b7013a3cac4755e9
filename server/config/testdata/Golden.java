import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.config.ConfigResource;
import com.fasterxml.jackson.databind.*;

// Asks a broker to describe and to alter its configuration and a topic's, and keeps the answers as JSON, one entry a line.
public class Golden {
  static ObjectMapper om = new ObjectMapper().configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, true);
  static Object describe(Admin a, ConfigResource r) throws Exception {
    Config c = a.describeConfigs(List.of(r), new DescribeConfigsOptions().includeSynonyms(true)).all().get().get(r);
    List<Object> out = new ArrayList<>();
    for (ConfigEntry e : c.entries().stream().sorted(Comparator.comparing(ConfigEntry::name)).toList()) {
      Map<String,Object> m = new LinkedHashMap<>();
      m.put("name", e.name()); m.put("value", e.value()); m.put("source", e.source().toString());
      m.put("type", e.type().toString()); m.put("readOnly", e.isReadOnly()); m.put("sensitive", e.isSensitive());
      List<Object> s = new ArrayList<>();
      for (ConfigEntry.ConfigSynonym y : e.synonyms()) { Map<String,Object> z = new LinkedHashMap<>(); z.put("name", y.name()); z.put("value", y.value()); z.put("source", y.source().toString()); s.add(z); }
      m.put("synonyms", s); out.add(m);
    }
    return out;
  }
  static void write(String file, Object entries) throws Exception {
    StringBuilder b = new StringBuilder("[\n");
    Iterator<?> i = ((List<?>) entries).iterator();
    while (i.hasNext()) b.append(om.writeValueAsString(i.next())).append(i.hasNext() ? ",\n" : "\n");
    java.nio.file.Files.writeString(java.nio.file.Path.of(file), b.append("]\n"));
  }
  static AlterConfigOp op(String n, String v, String t) { return new AlterConfigOp(new ConfigEntry(n, v), AlterConfigOp.OpType.valueOf(t)); }
  static List<Map<String,Object>> tries = new ArrayList<>();
  static void alter(Admin a, String what, ConfigResource r, boolean validateOnly, AlterConfigOp... ops) {
    Map<String,Object> m = new LinkedHashMap<>();
    m.put("case", what); m.put("type", r.type().toString()); m.put("resource", r.name());
    List<Object> l = new ArrayList<>(); for (AlterConfigOp o : ops) { Map<String,Object> z = new LinkedHashMap<>(); z.put("name", o.configEntry().name()); z.put("op", o.opType().toString()); z.put("value", o.configEntry().value()); l.add(z); }
    m.put("ops", l);
    try { a.incrementalAlterConfigs(Map.of(r, List.of(ops)), new AlterConfigsOptions().validateOnly(validateOnly)).all().get(); m.put("error", ""); m.put("message", ""); }
    catch (Exception e) { Throwable c = e.getCause() == null ? e : e.getCause(); m.put("error", org.apache.kafka.common.protocol.Errors.forException(c).name()); m.put("message", c.getMessage()); }
    tries.add(m);
  }
  public static void main(String[] args) throws Exception {
    try (Admin a = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      ConfigResource b = new ConfigResource(ConfigResource.Type.BROKER, "1"), d = new ConfigResource(ConfigResource.Type.BROKER, ""), t = new ConfigResource(ConfigResource.Type.TOPIC, "golden"), p = new ConfigResource(ConfigResource.Type.TOPIC, "plain"), no = new ConfigResource(ConfigResource.Type.TOPIC, "missing");
      try { a.createTopics(List.of(new NewTopic("golden", 1, (short) 1).configs(Map.of("segment.bytes", " 1048576 ", "cleanup.policy", "compact, delete", "min.cleanable.dirty.ratio", ".25", "retention.ms", "1000")), new NewTopic("plain", 1, (short) 1))).all().get(); } catch (Exception e) { System.err.println(e); }
      write(args[1] + "/describeconfigs-3.9.2-broker.json", describe(a, b));
      write(args[1] + "/describeconfigs-3.9.2-topic.json", describe(a, t));
      write(args[1] + "/describeconfigs-3.9.2-plaintopic.json", describe(a, p));
      alter(a, "unknown topic property", t, true, op("no.such.thing", "1", "SET"));
      alter(a, "not a number", t, true, op("retention.ms", "abc", "SET"));
      alter(a, "empty number", t, true, op("retention.ms", "", "SET"));
      alter(a, "below the range", t, true, op("retention.ms", "-2", "SET"));
      alter(a, "above the range", t, true, op("compression.lz4.level", "18", "SET"));
      alter(a, "between", t, true, op("compression.gzip.level", "10", "SET"));
      alter(a, "double out of range", t, true, op("min.cleanable.dirty.ratio", "1.5", "SET"));
      alter(a, "not a word", t, true, op("cleanup.policy", "keep", "SET"));
      alter(a, "one bad word of two", t, true, op("cleanup.policy", "delete,keep", "SET"));
      alter(a, "empty list", t, true, op("cleanup.policy", "", "SET"));
      alter(a, "empty element", t, true, op("cleanup.policy", "delete,", "SET"));
      alter(a, "not a boolean", t, true, op("preallocate", "yes", "SET"));
      alter(a, "not a codec", t, true, op("compression.type", "brotli", "SET"));
      alter(a, "not a timestamp type", t, true, op("message.timestamp.type", "createtime", "SET"));
      alter(a, "not a version", t, true, op("message.format.version", "9.9", "SET"));
      alter(a, "append to what is no list", t, true, op("retention.ms", "1", "APPEND"));
      alter(a, "subtract from what is no list", t, true, op("retention.ms", "1", "SUBTRACT"));
      alter(a, "append to an unknown property", t, true, op("no.such.thing", "1", "APPEND"));
      alter(a, "null value", t, true, op("retention.ms", null, "SET"));
      alter(a, "two null values", t, true, op("retention.ms", null, "SET"), op("segment.bytes", null, "SET"));
      alter(a, "null to append", t, true, op("cleanup.policy", null, "APPEND"));
      alter(a, "the same key twice", t, true, op("retention.ms", "1", "SET"), op("retention.ms", "2", "SET"));
      alter(a, "empty name", t, true, op("", "1", "SET"));
      alter(a, "two bad values", t, true, op("retention.ms", "x", "SET"), op("segment.bytes", "y", "SET"));
      alter(a, "bad value and unknown property", t, true, op("retention.ms", "x", "SET"), op("no.such.thing", "1", "SET"));
      alter(a, "lags that contradict", t, true, op("min.compaction.lag.ms", "10", "SET"), op("max.compaction.lag.ms", "5", "SET"));
      alter(a, "remote storage", t, true, op("remote.storage.enable", "true", "SET"));
      alter(a, "remote copy", t, true, op("remote.log.copy.disable", "true", "SET"));
      alter(a, "bad throttle", t, true, op("leader.replication.throttled.replicas", "0-1", "SET"));
      alter(a, "good throttle", t, true, op("leader.replication.throttled.replicas", "0:1,1:2", "SET"));
      alter(a, "throttle for all", t, true, op("leader.replication.throttled.replicas", "*", "SET"));
      alter(a, "delete what is not set", t, true, op("flush.ms", null, "DELETE"));
      alter(a, "delete an unknown property", t, true, op("no.such.thing", null, "DELETE"));
      alter(a, "topic that does not exist", no, true, op("retention.ms", "1", "SET"));
      alter(a, "too large for the type", t, true, op("segment.bytes", "2147483648", "SET"));
      alter(a, "small segment", t, true, op("segment.bytes", "14", "SET"));
      alter(a, "smaller segment", t, true, op("segment.bytes", "13", "SET"));
      alter(a, "read-only", b, true, op("broker.rack", "r", "SET"));
      alter(a, "two read-only", b, true, op("broker.rack", "r", "SET"), op("auto.create.topics.enable", "false", "SET"));
      alter(a, "hours are read-only", b, true, op("log.retention.hours", "1", "SET"));
      alter(a, "unknown broker property", b, true, op("no.such.thing", "1", "SET"));
      alter(a, "append to an unknown broker property", b, true, op("no.such.thing", "1", "APPEND"));
      alter(a, "bad number of the broker", b, true, op("log.retention.ms", "x", "SET"));
      alter(a, "retention 0", b, true, op("log.retention.ms", "0", "SET"));
      alter(a, "below the broker's range", b, true, op("log.segment.bytes", "1", "SET"));
      alter(a, "per broker, for all", d, true, op("advertised.listeners", "PLAINTEXT://x:1", "SET"));
      alter(a, "TLS without a listener", b, true, op("ssl.keystore.location", "/x", "SET"));
      alter(a, "listener's limit for all", d, true, op("listener.name.plaintext.max.connections", "5", "SET"));
      alter(a, "listener's key store for all", d, true, op("listener.name.plaintext.ssl.keystore.location", "/x", "SET"));
      alter(a, "too many threads", b, true, op("num.io.threads", "100", "SET"));
      alter(a, "too few threads", b, true, op("num.io.threads", "1", "SET"));
      alter(a, "no threads", b, true, op("num.io.threads", "0", "SET"));
      alter(a, "another broker", new ConfigResource(ConfigResource.Type.BROKER, "2"), true, op("log.retention.ms", "1", "SET"));
      alter(a, "not a broker", new ConfigResource(ConfigResource.Type.BROKER, "x"), true, op("log.retention.ms", "1", "SET"));
      alter(a, "rate", b, true, op("leader.replication.throttled.rate", "100", "SET"));
      alter(a, "bad rate", b, true, op("leader.replication.throttled.rate", "-1", "SET"));
      alter(a, "append to a rate", b, true, op("leader.replication.throttled.rate", "1", "APPEND"));
      alter(a, "broker policy append", b, true, op("log.cleanup.policy", "compact", "APPEND"));
      alter(a, "no brokers property for topic", t, true, op("log.retention.ms", "1", "SET"));
      alter(a, "queued bytes", b, true, op("max.connections.per.ip", "0", "SET"));
      alter(a, "inter broker version", b, true, op("inter.broker.protocol.version", "3.8", "SET"));
      alter(a, "no name, topic", new ConfigResource(ConfigResource.Type.TOPIC, ""), true, op("retention.ms", "1", "SET"));
      alter(a, "null of the broker", b, true, op("log.retention.ms", null, "SET"));
      alter(a, "set to compact", t, false, op("cleanup.policy", "compact", "SET"));
      alter(a, "append delete", t, false, op("cleanup.policy", "delete", "APPEND"));
      alter(a, "append again", t, false, op("cleanup.policy", "delete", "APPEND"));
      alter(a, "subtract", t, false, op("cleanup.policy", "compact", "SUBTRACT"));
      alter(a, "set for this broker", b, false, op("log.retention.ms", "7000", "SET"), op("log.cleanup.policy", "compact", "APPEND"), op("leader.replication.throttled.rate", "100", "SET"), op("listener.name.plaintext.max.connections", "50", "SET"), op("no.such.thing", "1", "SET"));
      alter(a, "set for all", d, false, op("log.retention.ms", "8000", "SET"), op("message.max.bytes", "2000000", "SET"), op("log.flush.interval.ms", "9000", "SET"));
      write(args[1] + "/alterconfigs-3.9.2.json", tries);
      Thread.sleep(3000);
      write(args[1] + "/describeconfigs-3.9.2-broker-altered.json", describe(a, b));
      write(args[1] + "/describeconfigs-3.9.2-default-altered.json", describe(a, d));
      write(args[1] + "/describeconfigs-3.9.2-topic-altered.json", describe(a, t));
      write(args[1] + "/describeconfigs-3.9.2-plaintopic-altered.json", describe(a, p));
      alter(a, "clean", b, false, op("log.retention.ms", null, "DELETE"), op("log.cleanup.policy", null, "DELETE"), op("leader.replication.throttled.rate", null, "DELETE"), op("listener.name.plaintext.max.connections", null, "DELETE"), op("no.such.thing", null, "DELETE"));
      alter(a, "clean", d, false, op("log.retention.ms", null, "DELETE"), op("message.max.bytes", null, "DELETE"), op("log.flush.interval.ms", null, "DELETE"));
      a.deleteTopics(List.of("golden", "plain")).all().get();
    }
  }
}
