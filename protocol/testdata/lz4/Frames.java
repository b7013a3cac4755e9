import java.io.ByteArrayOutputStream;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

/** Prints what Apache Kafka packs with lz4 at the default level: kind, bytes, bytes packed, SHA-256 of them. */
public class Frames {
    static final String[] WORDS = {"broker", "offset", "partition", "leader", "epoch", "segment", "GET", "timeout"};

    static byte[] bytes(String kind, int size) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (int x = 1; out.size() < size; ) {
            x = x * 1664525 + 1013904223;
            if (kind.equals("noise"))
                out.write(x >>> 24);
            else
                out.writeBytes((WORDS[x >>> 29] + "=" + (x >>> 20) % 512 + " ").getBytes());
        }
        return java.util.Arrays.copyOf(out.toByteArray(), size);
    }

    public static void main(String[] args) throws Exception {
        for (String kind : new String[] {"text", "noise"}) {
            for (int size : new int[] {1, 12, 13, 14, 100, 5000, 65535, 65536, 65537, 200000, 1000000}) {
                ByteBufferOutputStream packed = new ByteBufferOutputStream(2000);
                try (var out = Compression.lz4().build().wrapForOutput(packed, RecordBatch.MAGIC_VALUE_V2)) {
                    out.write(bytes(kind, size));
                }
                packed.buffer().flip();
                byte[] frame = new byte[packed.buffer().remaining()];
                packed.buffer().get(frame);
                String sum = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(frame));
                System.out.println(kind + " " + size + " " + frame.length + " " + sum);
            }
        }
    }
}
