import java.util.*;
import org.apache.kafka.common.config.ConfigDef;
import com.fasterxml.jackson.databind.*;
// Prints what Apache Kafka says about each of its broker and topic properties, as JSON.
public class Facts {
  static Map<String,Object> key(ConfigDef.ConfigKey k){
    Map<String,Object> m=new LinkedHashMap<>();
    m.put("name",k.name); m.put("type",k.type.toString());
    m.put("hasDefault",k.hasDefault());
    m.put("default", k.hasDefault()&&k.defaultValue!=null? (k.type==ConfigDef.Type.PASSWORD? ((org.apache.kafka.common.config.types.Password)k.defaultValue).value(): ConfigDef.convertToString(k.defaultValue,k.type)):null);
    m.put("validator",k.validator==null?null:k.validator.getClass().getName()+"|"+k.validator);
    m.put("importance",k.importance.toString()); m.put("internal",k.internalConfig);
    return m;
  }
  public static void main(String[] a) throws Exception {
    Map<String,Object> out=new LinkedHashMap<>();
    ConfigDef d=kafka.server.KafkaConfig.configDef();
    List<Object> l=new ArrayList<>(); for (String n:new TreeSet<>(d.names())) l.add(key(d.configKeys().get(n)));
    out.put("broker",l);
    List<Object> t=new ArrayList<>(); for (ConfigDef.ConfigKey k:org.apache.kafka.storage.internals.log.LogConfig.configKeys().values()){
      Map<String,Object> m=key(k); List<String> s=new ArrayList<>();
      var syn=org.apache.kafka.server.config.ServerTopicConfigSynonyms.ALL_TOPIC_CONFIG_SYNONYMS.get(k.name);
      if(syn!=null) for (var x:syn) s.add(x.name()); m.put("synonyms",s); t.add(m);}
    out.put("topic",t);
    Map<String,String> modes=new TreeMap<>();
    scala.jdk.javaapi.CollectionConverters.asJava(kafka.server.DynamicBrokerConfig.AllDynamicConfigs()).forEach(n->modes.put((String)n,""));
    modes.putAll(kafka.server.DynamicBrokerConfig$.MODULE$.dynamicConfigUpdateModes());
    out.put("modes",modes);
    ObjectMapper om=new ObjectMapper(); StringBuilder b=new StringBuilder("{\n");
    for (String k:List.of("broker","topic")) { b.append("\""+k+"\": [\n"); Iterator<Object> i=((List<Object>)out.get(k)).iterator(); while(i.hasNext()) b.append(om.writeValueAsString(i.next())).append(i.hasNext()?",\n":"\n"); b.append("],\n"); }
    b.append("\"modes\": "+om.writeValueAsString(modes)+"\n}"); System.out.println(b);
  }
}
