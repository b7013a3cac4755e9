import java.io.*; import java.util.*; import com.fasterxml.jackson.databind.*;
// Reads texts as java.util.Properties does and prints text and result as JSON, one a line.
public class Properties {
  public static void main(String[] a) throws Exception {
    String[] texts = { "a=b", "a:b", "a b", "a = b ", " \ta\t=\tb", "a\\ b=c", "a\\=b=c", "a\\:b:c", "a", "a=", "=b", "a==b", "a=:b", "a = : b", "a  b=c",
      "a=b\\\nc", "a=b\\\n   c", "a=b\\\\\nc=d", "a=b\\", "a=b\\\n\nc=d", "a=b\\\n# c\nd=e", "# a=b\\\nc=d", "! x\na=b", "   # x\na=b",
      "a=\\u00e9\\u0041", "a=\\t\\n\\r\\f", "a=\\q\\\"", "a=\u00e9", "\n\n  \na=b", "a=b\r\nc=d\re=f", "a=b\\\r\nc", "a=1\na=2", "a=${HOME}", "a=b#c", "a=b!c\\ ", "a\\\nb=c", "a\fb", "a=\"b\"", "a=c\\:\\\\d", "a\\u003d=b" };
    ObjectMapper om = new ObjectMapper().configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, true); 
    StringBuilder out = new StringBuilder("[\n");
    for (int i = 0; i < texts.length; i++) {
      java.util.Properties p = new java.util.Properties(); p.load(new ByteArrayInputStream(texts[i].getBytes("ISO-8859-1")));
      Map<String,Object> m = new LinkedHashMap<>(); m.put("text", texts[i]); m.put("read", new TreeMap<Object,Object>(p));
      out.append(om.writeValueAsString(m)).append(i + 1 < texts.length ? ",\n" : "\n");
    }
    System.out.write(out.append("]\n").toString().getBytes("UTF-8")); System.out.flush();
  }
}
