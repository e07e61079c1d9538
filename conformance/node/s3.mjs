// The AWS SDK for JavaScript v3 and minio-js behind the lines of JSON that conformance/sdk/program.py speaks.
// Arguments: aws or minio, and the endpoint.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [kind, endpoint] = process.argv.slice(2);
const key = process.env.AWS_ACCESS_KEY_ID;
const secret = process.env.AWS_SECRET_ACCESS_KEY;

function versionOf(name) {
  const url = new URL(`./node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")).version;
}

async function collect(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

async function aws() {
  const s3 = await import("@aws-sdk/client-s3");
  const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
  const client = new s3.S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    // a signer that signs nothing is this SDK's way of being anonymous
    ...(key
      ? { credentials: { accessKeyId: key, secretAccessKey: secret } }
      : { signer: { sign: async (request) => request }, credentials: { accessKeyId: "", secretAccessKey: "" } }),
  });
  async function list({ bucket, prefix }, delimiter, pageSize) {
    const keys = [];
    const prefixes = [];
    const wanted = { Bucket: bucket, Prefix: prefix, Delimiter: delimiter };
    for await (const page of s3.paginateListObjectsV2({ client, pageSize }, wanted)) {
      keys.push(...(page.Contents ?? []).map((o) => [o.Key, o.Size]));
      prefixes.push(...(page.CommonPrefixes ?? []).map((p) => p.Prefix));
    }
    return { keys, prefixes };
  }
  return {
    version: async () => ({ version: versionOf("@aws-sdk/client-s3") }),
    buckets: async () => ({ buckets: (await client.send(new s3.ListBucketsCommand({}))).Buckets.map((b) => b.Name) }),
    keys: (r) => list(r),
    folder: (r) => list(r, "/", 3),
    head: async (r) => {
      const found = await client.send(new s3.HeadObjectCommand({ Bucket: r.bucket, Key: r.key }));
      return { size: found.ContentLength, etag: found.ETag };
    },
    get: async (r) => {
      const wanted = { Bucket: r.bucket, Key: r.key, Range: r.range, IfMatch: r.if_match, IfNoneMatch: r.if_none_match };
      const { Body } = await client.send(new s3.GetObjectCommand(wanted));
      return { data: Buffer.from(await Body.transformToByteArray()).toString("base64") };
    },
    presign: async (r) => ({
      url: await getSignedUrl(client, new s3.GetObjectCommand({ Bucket: r.bucket, Key: r.key }), { expiresIn: 60 }),
    }),
    failure: (e) => ({
      error: String(e),
      code: e.name,
      status: e.$metadata?.httpStatusCode ?? 0,
      missing: e instanceof s3.NoSuchKey || e instanceof s3.NotFound,
    }),
  };
}

async function minio() {
  const { Client } = await import("minio");
  const { hostname, port } = new URL(endpoint);
  const client = new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    region: "us-east-1",
    accessKey: key ?? "",
    secretKey: secret ?? "",
  });
  async function list({ bucket, prefix }, recursive) {
    const keys = [];
    const prefixes = [];
    for await (const found of client.listObjectsV2(bucket, prefix, recursive)) {
      if (found.prefix) prefixes.push(found.prefix);
      else keys.push([found.name, found.size]);
    }
    return { keys, prefixes };
  }
  return {
    version: async () => ({ version: versionOf("minio") }),
    buckets: async () => ({ buckets: (await client.listBuckets()).map((b) => b.name) }),
    keys: (r) => list(r, true),
    folder: (r) => list(r, false),
    head: async (r) => {
      const found = await client.statObject(r.bucket, r.key);
      return { size: found.size, etag: `"${found.etag}"` };
    },
    get: async (r) => {
      const [, start, end] = /^bytes=(\d*)-(\d*)$/.exec(r.range ?? "bytes=0-");
      if (start === "") {
        const { size } = await client.statObject(r.bucket, r.key); // this client has no suffix ranges
        const from = Math.max(0, size - Number(end));
        return { data: (await collect(await client.getPartialObject(r.bucket, r.key, from))).toString("base64") };
      }
      const count = end === "" ? 0 : Number(end) - Number(start) + 1;
      const stream = r.range
        ? await client.getPartialObject(r.bucket, r.key, Number(start), count)
        : await client.getObject(r.bucket, r.key);
      return { data: (await collect(stream)).toString("base64") };
    },
    presign: async (r) => ({ url: await client.presignedGetObject(r.bucket, r.key, 60) }),
    failure: (e) => ({
      error: String(e),
      code: e.code ?? e.name,
      status: e.code === "AccessDenied" || e.code === "SignatureDoesNotMatch" || e.code === "InvalidAccessKeyId" ? 403 : 0,
      missing: e.code === "NoSuchKey" || e.code === "NotFound",
    }),
  };
}

const client = await { aws, minio }[kind]();
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = await client[request.op](request);
  } catch (error) {
    answer = client.failure(error);
  }
  console.log(JSON.stringify(answer));
}
