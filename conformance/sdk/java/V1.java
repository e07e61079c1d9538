import com.amazonaws.ClientConfiguration;
import com.amazonaws.auth.AWSCredentials;
import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.AnonymousAWSCredentials;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3ClientBuilder;
import com.amazonaws.services.s3.model.AmazonS3Exception;
import com.amazonaws.services.s3.model.Bucket;
import com.amazonaws.services.s3.model.GetObjectRequest;
import com.amazonaws.services.s3.model.ListObjectsRequest;
import com.amazonaws.services.s3.model.ObjectListing;
import com.amazonaws.services.s3.model.ObjectMetadata;
import com.amazonaws.services.s3.model.S3Object;
import com.amazonaws.util.VersionInfoUtils;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Map;

/** The AWS SDK for Java 1; it lists with ListObjects (version 1), as n5-aws-s3 did for years. */
final class V1 implements Main.Client {
    private final AmazonS3 client;

    V1(String endpoint, String id, String secret) {
        AWSCredentials who = id == null ? new AnonymousAWSCredentials() : new BasicAWSCredentials(id, secret);
        client = AmazonS3ClientBuilder.standard()
                .withEndpointConfiguration(new EndpointConfiguration(endpoint, "us-east-1"))
                .withPathStyleAccessEnabled(true)
                .withCredentials(new AWSStaticCredentialsProvider(who))
                .withClientConfiguration(new ClientConfiguration().withMaxErrorRetry(0))
                .build();
    }

    @Override
    public String version() {
        return VersionInfoUtils.getVersion();
    }

    @Override
    public List<String> buckets() {
        return client.listBuckets().stream().map(Bucket::getName).toList();
    }

    @Override
    public Main.Listing list(String bucket, String prefix, String delimiter, int page) {
        ListObjectsRequest request =
                new ListObjectsRequest().withBucketName(bucket).withPrefix(prefix).withDelimiter(delimiter);
        if (page > 0) {
            request.setMaxKeys(page);
        }
        List<Object[]> keys = new ArrayList<>();
        List<String> prefixes = new ArrayList<>();
        ObjectListing found = client.listObjects(request);
        while (true) {
            found.getObjectSummaries().forEach(o -> keys.add(new Object[] {o.getKey(), o.getSize()}));
            prefixes.addAll(found.getCommonPrefixes());
            if (!found.isTruncated()) {
                return new Main.Listing(keys, prefixes);
            }
            found = client.listNextBatchOfObjects(found);
        }
    }

    @Override
    public Object[] head(String bucket, String key) {
        ObjectMetadata found = client.getObjectMetadata(bucket, key);
        return new Object[] {found.getContentLength(), "\"" + found.getETag() + "\""};
    }

    @Override
    public byte[] get(Main.Wanted w) throws IOException {
        GetObjectRequest request = new GetObjectRequest(w.bucket(), w.key());
        if (w.range() != null) { // "bytes=2-5", "bytes=2-" or "bytes=-5"
            String[] ends = w.range().substring("bytes=".length()).split("-", -1);
            if (ends[0].isEmpty()) {
                request.putCustomRequestHeader("Range", w.range());
            } else if (ends[1].isEmpty()) {
                request.setRange(Long.parseLong(ends[0]));
            } else {
                request.setRange(Long.parseLong(ends[0]), Long.parseLong(ends[1]));
            }
        }
        if (w.ifMatch() != null) {
            request.withMatchingETagConstraint(w.ifMatch());
        }
        if (w.ifNoneMatch() != null) {
            request.withNonmatchingETagConstraint(w.ifNoneMatch());
        }
        try (S3Object found = client.getObject(request)) {
            return found == null ? null : found.getObjectContent().readAllBytes();
        }
    }

    @Override
    public String presign(String bucket, String key) {
        return client.generatePresignedUrl(bucket, key, new Date(System.currentTimeMillis() + 60_000)).toString();
    }

    @Override
    public Map<String, Object> failure(RuntimeException error) {
        int status = 0;
        String code = "";
        if (error instanceof AmazonS3Exception e) {
            status = e.getStatusCode();
            code = String.valueOf(e.getErrorCode());
        }
        // HeadObject has no body, so that this client can only say "404 Not Found" then.
        boolean missing = code.equals("NoSuchKey") || status == 404 && code.startsWith("404");
        return Map.of("error", error.toString(), "code", code, "status", status, "missing", missing);
    }
}
