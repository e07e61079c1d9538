import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.AnonymousCredentialsProvider;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.Bucket;
import software.amazon.awssdk.services.s3.model.GetObjectRequest;
import software.amazon.awssdk.services.s3.model.HeadObjectResponse;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Request;
import software.amazon.awssdk.services.s3.model.ListObjectsV2Response;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;

/** The AWS SDK for Java 2. */
final class V2 implements Main.Client {
    private final S3Client client;
    private final S3Presigner presigner;

    V2(String endpoint, String id, String secret) {
        AwsCredentialsProvider who = id == null
                ? AnonymousCredentialsProvider.create()
                : StaticCredentialsProvider.create(AwsBasicCredentials.create(id, secret));
        S3Configuration paths = S3Configuration.builder().pathStyleAccessEnabled(true).build();
        client = S3Client.builder()
                .endpointOverride(URI.create(endpoint))
                .region(Region.US_EAST_1)
                .credentialsProvider(who)
                .serviceConfiguration(paths)
                .httpClient(UrlConnectionHttpClient.create())
                .overrideConfiguration(o -> o.retryStrategy(r -> r.maxAttempts(1)))
                .build();
        presigner = S3Presigner.builder()
                .endpointOverride(URI.create(endpoint))
                .region(Region.US_EAST_1)
                .credentialsProvider(who)
                .serviceConfiguration(paths)
                .build();
    }

    @Override
    public String version() {
        return VersionInfo.SDK_VERSION;
    }

    @Override
    public List<String> buckets() {
        return client.listBuckets().buckets().stream().map(Bucket::name).toList();
    }

    @Override
    public Main.Listing list(String bucket, String prefix, String delimiter, int page) {
        ListObjectsV2Request.Builder request =
                ListObjectsV2Request.builder().bucket(bucket).prefix(prefix).delimiter(delimiter);
        if (page > 0) {
            request.maxKeys(page);
        }
        List<Object[]> keys = new ArrayList<>();
        List<String> prefixes = new ArrayList<>();
        for (ListObjectsV2Response found : client.listObjectsV2Paginator(request.build())) {
            found.contents().forEach(o -> keys.add(new Object[] {o.key(), o.size()}));
            found.commonPrefixes().forEach(p -> prefixes.add(p.prefix()));
        }
        return new Main.Listing(keys, prefixes);
    }

    @Override
    public Object[] head(String bucket, String key) {
        HeadObjectResponse found = client.headObject(r -> r.bucket(bucket).key(key));
        return new Object[] {found.contentLength(), found.eTag()};
    }

    @Override
    public byte[] get(Main.Wanted w) {
        GetObjectRequest request = GetObjectRequest.builder()
                .bucket(w.bucket())
                .key(w.key())
                .range(w.range())
                .ifMatch(w.ifMatch())
                .ifNoneMatch(w.ifNoneMatch())
                .build();
        return client.getObjectAsBytes(request).asByteArray();
    }

    @Override
    public String presign(String bucket, String key) {
        return presigner
                .presignGetObject(p -> p.signatureDuration(Duration.ofMinutes(1))
                        .getObjectRequest(g -> g.bucket(bucket).key(key)))
                .url()
                .toString();
    }

    @Override
    public Map<String, Object> failure(RuntimeException error) {
        int status = 0;
        String code = "";
        if (error instanceof AwsServiceException e) {
            status = e.statusCode();
            code = e.awsErrorDetails() == null ? "" : String.valueOf(e.awsErrorDetails().errorCode());
        }
        return Map.of(
                "error", error.toString(), "code", code, "status", status, "missing", error instanceof NoSuchKeyException);
    }
}
