import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** A Java SDK behind the lines of JSON that conformance/sdk/program.py speaks: Main v1|v2 ENDPOINT. */
public final class Main {
    /** The verbs; what they throw is told to Python as it is. */
    interface Client {
        String version();

        List<String> buckets();

        /** Keys with sizes and common prefixes; pages as large as `page`, or as the server likes where 0. */
        Listing list(String bucket, String prefix, String delimiter, int page);

        Object[] head(String bucket, String key);

        /** The object; null where its state is not the wanted one and the client says so without an error. */
        byte[] get(Wanted wanted) throws IOException;

        String presign(String bucket, String key);

        Map<String, Object> failure(RuntimeException error);
    }

    record Listing(List<Object[]> keys, List<String> prefixes) {}

    /** A GET; absent headers are null. */
    record Wanted(String bucket, String key, String range, String ifMatch, String ifNoneMatch) {}

    private static String text(JsonNode request, String name) {
        return request.hasNonNull(name) ? request.get(name).asText() : null;
    }

    private static Object answer(Client client, JsonNode r) throws IOException {
        String bucket = text(r, "bucket");
        String key = text(r, "key");
        switch (r.get("op").asText()) {
            case "version":
                return Map.of("version", client.version());
            case "buckets":
                return Map.of("buckets", client.buckets());
            case "keys":
            case "folder":
                boolean flat = r.get("op").asText().equals("keys");
                Listing found = client.list(bucket, text(r, "prefix"), flat ? null : "/", flat ? 0 : 3);
                return Map.of("keys", found.keys(), "prefixes", found.prefixes());
            case "head":
                Object[] head = client.head(bucket, key);
                return Map.of("size", head[0], "etag", head[1]);
            case "get":
                byte[] data = client.get(
                        new Wanted(bucket, key, text(r, "range"), text(r, "if_match"), text(r, "if_none_match")));
                return data == null ? Map.of("nothing", true) : Map.of("data", data);
            case "presign":
                return Map.of("url", client.presign(bucket, key));
            default:
                throw new IllegalArgumentException("unknown operation " + r);
        }
    }

    public static void main(String[] args) throws IOException {
        String id = System.getenv("AWS_ACCESS_KEY_ID");
        String secret = System.getenv("AWS_SECRET_ACCESS_KEY");
        Client client = args[0].equals("v1") ? new V1(args[1], id, secret) : new V2(args[1], id, secret);
        ObjectMapper json = new ObjectMapper();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Object found;
            try {
                found = answer(client, json.readTree(line));
            } catch (RuntimeException error) {
                found = client.failure(error);
            }
            out.println(json.writeValueAsString(found));
        }
    }
}
