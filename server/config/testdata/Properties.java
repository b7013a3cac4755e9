import java.io.*; import java.nio.charset.StandardCharsets; import java.nio.file.*; import java.util.*; import com.fasterxml.jackson.databind.*;
import org.apache.kafka.common.config.provider.FileConfigProvider;
// Has Apache Kafka read properties files and prints what it read, one file a line, as JSON: the text, and the
// names with their values or, where it fails, null. The files are the texts below and COUNT random ones of SEED.
// Half of the random ones are read as kafka.Kafka reads its configuration file (ISO 8859-1), half as
// FileConfigProvider reads its file (UTF-8). usage: Properties SEED COUNT
public class Properties {
  static final String[] TEXTS = { "a=b", "a:b", "a b", "a = b ", " \ta\t=\tb", "a\\ b=c", "a\\=b=c", "a\\:b:c", "a", "a=", "=b", ":", "a==b", "a=:b", "a = : b", "a  b=c",
    "a=b\\\nc", "a=b\\\n   c", "a=b\\\\\nc=d", "a=b\\", "a=b\\\n", "a=b\\\n\nc=d", "a=b\\\n# c\nd=e", "# a=b\\\nc=d", "! x\na=b", "   # x\na=b", "\\\n# x\na=b", "\\", "\\\\", "\\\n\\\n  a=b",
    "a=\\u00e9\\u0041", "a=\\t\\n\\r\\f", "a=\\q\\\"", "a=\u00e9", "\n\n  \na=b", "a=b\r\nc=d\re=f", "a=b\\\r\nc", "a=b\\\r\rc=d", "a=1\na=2", "a=${HOME}", "a=b#c", "a=b!c\\ ", "a\\\nb=c", "a\\\n=c", "a\fb", "a=\"b\"",
    "a=c\\:\\\\d", "a\\u003d=b", "a=\\u00", "a=\\uzzzz", "a\\u00=3d", "a=\\u00\\\n41", "a=\\ud83d\\ude00", "a=\\ud83d", "\u00ef\u00bb\u00bfa=b", "a=b\0c", "a=b \t", "a=\\ b", "a\u00a0=b", "a\u000b=b", "a=b\u0085c=d" };
  static final String[] PARTS = { "a", "b.c", "log.dirs", "7", "x y", "=", ":", " ", "\t", "\f", "\n", "\r", "\r\n", "\n", "\\", "\\\n", "\\\r\n", "\\\r", "\\\\", "\\ ", "\\=", "\\:", "\\#", "\\t", "\\n", "\\r", "\\f", "\\q",
    "#", "!", "\n#", "\n!", "\\u0041", "\\u00e9", "\\u20ac", "\\ud83d\\ude00", "\\u000a", "\\u005c", "\\U0041", "\u00e9", "\u00ff", "\u0085", "\u00a0", "\u000b", "\0", "${env:A}", "\"", "'", "," };
  static final String[] RARE = { "\\u", "\\u00", "\\u12g4", "\\ud83d", "\\ude00" }, WIDE = { "\u20ac", "\ud83d\ude00", "\ufeff", "\u2028" };

  static String random(Random r, boolean utf8) {
    StringBuilder s = new StringBuilder();
    for (int n = 1 + r.nextInt(14); n > 0; n--) {
      String[] from = r.nextInt(60) == 0 ? RARE : utf8 && r.nextInt(12) == 0 ? WIDE : PARTS;
      s.append(from[r.nextInt(from.length)]);
    }
    return s.toString();
  }

  static Map<String,String> read(Path file, String text, boolean utf8) throws Exception {
    Files.write(file, text.getBytes(utf8 ? StandardCharsets.UTF_8 : StandardCharsets.ISO_8859_1));
    Map<String,String> out = new TreeMap<>();
    try {
      if (utf8) {
        FileConfigProvider provider = new FileConfigProvider();
        provider.configure(Map.of());
        out.putAll(provider.get(file.toString()).data());
      } else {
        kafka.Kafka.getPropsFromArgs(new String[]{ file.toString() }).forEach((k, v) -> out.put((String) k, (String) v));
      }
    } catch (IllegalArgumentException e) { return null; }
    return out;
  }

  public static void main(String[] a) throws Exception {
    Random r = new Random(Long.parseLong(a[0])); int count = Integer.parseInt(a[1]);
    ObjectMapper om = new ObjectMapper();
    om.getFactory().configure(com.fasterxml.jackson.core.json.JsonWriteFeature.ESCAPE_NON_ASCII.mappedFeature(), true);
    Path file = Files.createTempFile("properties", ".properties");
    PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, "UTF-8");
    for (int i = 0; i < TEXTS.length + count; i++) {
      boolean utf8 = i >= TEXTS.length && i % 2 == 0;
      String text = i < TEXTS.length ? TEXTS[i] : random(r, utf8);
      Map<String,Object> m = new LinkedHashMap<>();
      m.put("text", text); if (utf8) m.put("utf8", true); m.put("read", read(file, text, utf8));
      out.print(i == 0 ? "[\n" : ",\n"); out.print(om.writeValueAsString(m));
    }
    out.print("\n]\n"); out.flush();
    Files.delete(file);
  }
}
