import java.io.*; import java.nio.charset.StandardCharsets; import java.nio.file.*; import java.util.*; import java.util.stream.*; import com.fasterxml.jackson.databind.*;
// Has Apache Kafka resolve the variables of server.properties files, as kafka.Kafka does when it starts, and prints as JSON
// the files that the providers read, the environment (what begins with KT_), and for each case its text and what the
// configuration holds then, or the error. DIR stands for the folder of the files.
public class Providers {
  static final String P = "org.apache.kafka.common.config.provider.";
  static final String ENV = "config.providers=env\nconfig.providers.env.class=" + P + "EnvVarConfigProvider\n";
  static final String FILE = "config.providers=file\nconfig.providers.file.class=" + P + "FileConfigProvider\n";
  static final String DIR = "config.providers=dir\nconfig.providers.dir.class=" + P + "DirectoryConfigProvider\n";
  static final String[][] FILES = {
    { "a.properties", "key=one\nnum=3\nempty=\nnested=${file:DIR/a.properties:key}\nenv=${env:KT_A}\na:b=colons\na\\:b=colon\nspace=  x  \nwide=\u20ac\n esc=\\u00e9\\t.\nkey2=x\\\n  y\ntwice=1\ntwice=2\n" },
    { "bad.properties", "key=\\u00\n" }, { "latin1", "" }, { "sub/b.properties", "key=two\n" },
    { "secrets/password", "s3cret\n" }, { "secrets/plain", "plain" }, { "secrets/lines", "a\nb\n" }, { "secrets/deeper/x", "no" }, { "secrets/wide", "\u20ac" }, { "secrets-2/password", "other" } };
  static final String[] CASES = {
    "x=${env:KT_A}", ENV + "x=${env:KT_A}", ENV + "x=<${env:KT_A}|${env:KT_B}>", ENV + "x=${env:KT_NONE}", ENV + "x=${env:KT_EMPTY}.", ENV + "x=${env::KT_A}",
    ENV + "x=${env:path:KT_A}", ENV + "x=${env:KT_A:}", ENV + "x=${env:KT_A:-default}", ENV + "x=${env:}", ENV + "x=${env}", ENV + "x=$env:KT_A}", ENV + "x=$${env:KT_A}", ENV + "x=\\\\${env:KT_A}", ENV + "x=\\${env:KT_A}",
    ENV + "x=${ env:KT_A}", ENV + "x=${env: KT_A}", ENV + "x=${env:KT_A }", ENV + "x=${ENV:KT_A}", ENV + "x=${other:KT_A}", ENV + "x=${other:KT_A}${env:KT_A}", ENV + "x=${env:KT_A", ENV + "x=${env:KT_A}}", ENV + "x=${${env:KT_A}}",
    ENV + "x=${env:${env:KT_NAME}}", ENV + "x=${env:KT_VAR}", ENV + "x=a\\nb${env:KT_A}", ENV + "x=${env:KT\\n_A}", ENV + "${env:KT_A}=y", ENV + "num.partitions=${env:KT_N}", ENV + "num.partitions=${env:KT_A}", ENV + "broker.id=${env:KT_N}",
    ENV + "log.dirs=${env:KT_A},/b", ENV + "x=${env:kt_a}",
    "config.providers=env\nx=${env:KT_A}", "config.providers=\nconfig.providers.env.class=" + P + "EnvVarConfigProvider\nx=${env:KT_A}", "config.providers.env.class=" + P + "EnvVarConfigProvider\nx=${env:KT_A}",
    "config.providers=env\nconfig.providers.env.class=com.example.Vault\n", "config.providers=env\nconfig.providers.env.class=EnvVarConfigProvider\n", "config.providers=env\nconfig.providers.env.class=" + P + "ConfigProvider\n",
    "config.providers=env\nconfig.providers.env.class=" + P + "EnvVarConfigProvider \nx=${env:KT_A}", "config.providers=env\nconfig.providers.env.class=\n", "config.providers=env\nconfig.providers.env.class=java.lang.String\n",
    "config.providers=env\nconfig.providers.env.class=${env:KT_CLASS}\nx=${env:KT_A}", "config.providers=${env:KT_NAME}\nconfig.providers.env.class=" + P + "EnvVarConfigProvider\nx=${env:KT_A}",
    "config.providers=other\nconfig.providers.env.class=com.example.Vault\nx=${env:KT_A}",
    "config.providers=a,b\nconfig.providers.a.class=" + P + "EnvVarConfigProvider\nconfig.providers.b.class=" + P + "FileConfigProvider\nx=${a:KT_A}${b:DIR/a.properties:key}",
    "config.providers=a, b\nconfig.providers.a.class=" + P + "EnvVarConfigProvider\nconfig.providers.b.class=" + P + "FileConfigProvider\nx=${a:KT_A}${b:DIR/a.properties:key}",
    "config.providers=a, b\nconfig.providers.a.class=" + P + "EnvVarConfigProvider\nconfig.providers.\\ b.class=" + P + "FileConfigProvider\nx=${a:KT_A}${ b:DIR/a.properties:key}",
    "config.providers=a,,a,\nconfig.providers.a.class=" + P + "EnvVarConfigProvider\nx=${a:KT_A}", "config.providers=,\nconfig.providers.a.class=" + P + "EnvVarConfigProvider\nx=${a:KT_A}",
    "config.providers=a.b\nconfig.providers.a.b.class=" + P + "EnvVarConfigProvider\nx=${a.b:KT_A}", "config.providers=,a\nconfig.providers..class=" + P + "EnvVarConfigProvider\nx=${:KT_A}",
    ENV + "config.providers.env.param.allowlist.pattern=KT_[AB]\nx=${env:KT_A}${env:KT_B}${env:KT_N}", ENV + "config.providers.env.param.allowlist.pattern=A\nx=${env:KT_A}", ENV + "config.providers.env.param.allowlist.pattern=.*A|.*B\nx=${env:KT_A}${env:KT_B}${env:KT_N}",
    ENV + "config.providers.env.param.allowlist.pattern=\nx=${env:KT_A}", ENV + "config.providers.env.param.allowlist.pattern=(\nx=${env:KT_A}", ENV + "config.providers.env.param.allowlist.pattern=${env:KT_A}\nx=${env:KT_A}",
    ENV + "config.providers.env.param.allowlist.pattern=(?i)kt_a\nx=${env:KT_A}", ENV + "config.providers.env.param.allowlist.pattern= KT_A\nx=${env:KT_A}", ENV + "config.providers.env.param.allowlist.pattern=KT_A \nx=${env:KT_A}", ENV + "config.providers.env.param.allowed.paths=/nowhere\nx=${env:KT_A}",
    ENV + "config.providers.env.param.=(\nx=${env:KT_A}", ENV + "config.providers.env.param.other=y\nx=${env:KT_A}", ENV + "config.providers.env.allowlist.pattern=none\nx=${env:KT_A}",
    ENV + "config.providers.env.param.allowlist.pattern=KT_\\\\w{1}\nx=${env:KT_A}", ENV + "config.providers.env.param.allowlist.pattern=^KT_A$\nx=${env:KT_A}",
    FILE + "x=${file:DIR/a.properties:key}", FILE + "x=${file:DIR/a.properties:none}", FILE + "x=${file:DIR/a.properties:empty}.", FILE + "x=${file:DIR/a.properties:nested}", FILE + "x=${file:DIR/a.properties:env}", FILE + "x=${file:DIR/a.properties:a:b}",
    FILE + "x=${file:DIR/a.properties:a}", FILE + "x=<${file:DIR/a.properties:space}>", FILE + "x=${file:DIR/a.properties:wide}", FILE + "x=${file:DIR/a.properties:esc}", FILE + "x=${file:DIR/a.properties:key2}", FILE + "x=${file:DIR/a.properties:twice}",
    FILE + "x=${file:DIR/none.properties:key}", FILE + "x=${file:DIR:key}", FILE + "x=${file:DIR/bad.properties:key}", FILE + "x=${file:DIR/latin1:key}", FILE + "x=${file:key}", FILE + "x=${file::key}", FILE + "x=${file:DIR/a.properties:}",
    FILE + "x=${file: DIR/a.properties:key}", FILE + "x=${file:DIR/sub/../a.properties:key}", FILE + "num.partitions=${file:DIR/a.properties:num}",
    FILE + "config.providers.file.param.allowed.paths=DIR/sub\nx=${file:DIR/a.properties:key}${file:DIR/sub/b.properties:key}${file:DIR/sub/../a.properties:key}${file:DIR/sub/../sub/b.properties:key}${file:DIR/su:key}",
    FILE + "config.providers.file.param.allowed.paths=DIR/sub,DIR/a.properties\nx=${file:DIR/a.properties:key}${file:DIR/sub/b.properties:key}", FILE + "config.providers.file.param.allowed.paths=DIR/sub, DIR/a.properties\nx=1", FILE + "config.providers.file.param.allowed.paths=sub\nx=1",
    FILE + "config.providers.file.param.allowed.paths=DIR/none\nx=1", FILE + "config.providers.file.param.allowed.paths=\nx=${file:DIR/a.properties:key}", FILE + "config.providers.file.param.allowed.paths=,\nx=${file:DIR/a.properties:key}", FILE + "config.providers.file.param.allowed.paths=DIR/sub,,\nx=${file:DIR/sub/b.properties:key}",
    FILE + "config.providers.file.param.allowed.paths=DIR,,DIR/sub\nx=1", FILE + "config.providers.file.param.allowed.paths=/../../DIR/./sub/\nx=${file:DIR/sub/b.properties:key}", FILE + "config.providers.file.param.allowed.paths=/\nx=${file:DIR/a.properties:key}", FILE + "config.providers.file.param.allowed.paths=${env:KT_A}\nx=1",
    FILE + "config.providers.file.param.allowed.paths=DIR/sub\nx=${file:/..DIR/sub/b.properties:key}${file:/../DIR/sub/b.properties:key}", FILE + "config.providers.file.param.allowed.paths=DIR/sub\nx=${file:DIR/none.properties:key}",
    DIR + "x=${dir:DIR/secrets:plain}", DIR + "x=<${dir:DIR/secrets:password}>", DIR + "x=${dir:DIR/secrets:lines}", DIR + "x=${dir:DIR/secrets:none}", DIR + "x=${dir:DIR/secrets:deeper}", DIR + "x=${dir:DIR/secrets:deeper/x}", DIR + "x=${dir:DIR/secrets/deeper:x}", DIR + "x=${dir:DIR/secrets:wide}",
    DIR + "x=${dir:DIR/secrets/plain:plain}", DIR + "x=${dir:DIR/none:plain}", DIR + "x=${dir:plain}", DIR + "x=${dir:DIR/secrets:}", DIR + "x=${dir:DIR/secrets:.}", DIR + "x=${dir:DIR/secrets:../a.properties}", DIR + "x=${dir:DIR:latin1}",
    DIR + "config.providers.dir.param.allowed.paths=DIR/secrets\nx=${dir:DIR/secrets:plain}${dir:DIR/secrets/:plain}${dir:DIR/secrets/deeper:x}${dir:DIR/secrets-2:password}${dir:DIR/secrets/../secrets-2:password}", DIR + "config.providers.dir.param.allowed.paths=DIR/none\nx=1",
    DIR + "config.providers.dir.param.allowlist.pattern=none\nx=${dir:DIR/secrets:plain}",
  };

  static Map<String,Object> run(Path dir, String text) throws Exception {
    Map<String,Object> m = new LinkedHashMap<>(); m.put("text", text);
    Path file = dir.resolve("server.properties");
    Files.write(file, ("zookeeper.connect=127.0.0.1:1\n" + text.replace("DIR", dir.toString())).getBytes(StandardCharsets.ISO_8859_1));
    try {
      Map<String,Object> values = new TreeMap<>();
      kafka.server.KafkaConfig.fromProps(kafka.Kafka.getPropsFromArgs(new String[]{ file.toString() }), false).originals().forEach((k, v) -> {
        if (!k.startsWith("config.providers") && !k.equals("zookeeper.connect")) values.put(k, v.toString().replace(dir.toString(), "DIR")); });
      m.put("values", values);
    } catch (Throwable e) { m.put("error", (e.getClass().getSimpleName() + ": " + e.getMessage()).replace(dir.toString(), "DIR")); }
    return m;
  }

  public static void main(String[] a) throws Exception {
    Path dir = Files.createTempDirectory("providers"); Map<String,String> files = new LinkedHashMap<>();
    for (String[] f : FILES) { Path p = dir.resolve(f[0]); Files.createDirectories(p.getParent()); Files.writeString(p, f[1].replace("DIR", dir.toString())); files.put(f[0], f[1]); }
    Files.write(dir.resolve("latin1"), new byte[]{ 'k', 'e', 'y', '=', (byte) 0xe9 }); files.put("latin1", "key=\u00e9"); // the only one in ISO 8859-1
    ObjectMapper om = new ObjectMapper();
    StringBuilder out = new StringBuilder("{\"files\": " + om.writeValueAsString(files) + ",\n\"env\": " + om.writeValueAsString(new TreeMap<>(System.getenv().entrySet().stream().filter(e -> e.getKey().startsWith("KT_")).collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)))) + ",\n\"cases\": [\n");
    for (int i = 0; i < CASES.length; i++) out.append(om.writeValueAsString(run(dir, CASES[i]))).append(i + 1 < CASES.length ? ",\n" : "\n]}\n");
    System.out.write(out.toString().getBytes("UTF-8")); System.out.flush();
    try (Stream<Path> all = Files.walk(dir)) { all.sorted(Comparator.reverseOrder()).forEach(p -> p.toFile().delete()); }
  }
}
