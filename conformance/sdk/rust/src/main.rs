//! The crates object_store and zarrs behind the lines of JSON that conformance/sdk/program.py speaks.
//!
//! Beside the operations of an SDK it knows `pixels` (of a Zarr array, whole or a box) and `members` (of a folder, as
//! zarrs lists it).

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{Engine, BASE64_STANDARD};
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::signer::{Method, Signer};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig};
use serde_json::{json, Value};
use zarrs::array::{Array, ArrayBytes, ArrayCreateError, ArraySubset};
use zarrs::storage::{AsyncListableStorageTraits, StorePrefix};
use zarrs_object_store::AsyncObjectStore;

type Failure = Box<dyn Error + Send + Sync>;

/// One store a bucket, as the crate wants it.
struct Stores {
    endpoint: String,
    made: HashMap<String, Arc<AmazonS3>>,
}

impl Stores {
    fn of(&mut self, bucket: &str) -> Result<Arc<AmazonS3>, Failure> {
        if let Some(found) = self.made.get(bucket) {
            return Ok(found.clone());
        }
        let mut builder = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_bucket_name(bucket)
            .with_retry(RetryConfig { max_retries: 0, ..Default::default() });
        builder = match (env::var("AWS_ACCESS_KEY_ID"), env::var("AWS_SECRET_ACCESS_KEY")) {
            (Ok(key), Ok(secret)) => builder.with_access_key_id(key).with_secret_access_key(secret),
            _ => builder.with_skip_signature(true),
        };
        let store = Arc::new(builder.build()?);
        self.made.insert(bucket.to_string(), store.clone());
        Ok(store)
    }
}

fn text<'a>(request: &'a Value, name: &str) -> &'a str {
    request[name].as_str().unwrap_or_default()
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// "bytes=2-5", "bytes=2-" or "bytes=-5".
fn range_of(header: &str) -> Result<Option<GetRange>, Failure> {
    let Some((first, last)) = header.strip_prefix("bytes=").and_then(|ends| ends.split_once('-')) else {
        return Ok(None);
    };
    Ok(Some(match (first, last) {
        ("", last) => GetRange::Suffix(last.parse()?),
        (first, "") => GetRange::Offset(first.parse()?),
        (first, last) => GetRange::Bounded(first.parse()?..last.parse::<u64>()? + 1),
    }))
}

/// Versions of the crates that this program was built with.
fn versions() -> Value {
    let lock = include_str!("../Cargo.lock");
    let of = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_string()
    };
    json!({"version": of("object_store"), "zarrs": of("zarrs")})
}

/// Everything below a prefix in one go, sorted by the server.
async fn keys(store: &AmazonS3, prefix: &str) -> Result<Value, Failure> {
    let prefix = Path::parse(prefix)?;
    let found: Vec<_> = store.list(Some(&prefix)).try_collect().await?;
    let keys: Vec<_> = found.iter().map(|o| json!([o.location.as_ref(), o.size])).collect();
    Ok(json!({"keys": keys}))
}

/// What is directly below a prefix, in pages of three.
async fn folder(store: &AmazonS3, prefix: &str) -> Result<Value, Failure> {
    let (mut keys, mut prefixes, mut token) = (vec![], vec![], None);
    loop {
        let options = PaginatedListOptions {
            delimiter: Some("/".into()),
            max_keys: Some(3),
            page_token: token,
            ..Default::default()
        };
        let page = store.list_paginated(Some(prefix), options).await?;
        keys.extend(page.result.objects.iter().map(|o| json!([o.location.as_ref(), o.size])));
        prefixes.extend(page.result.common_prefixes.iter().map(|p| format!("{p}/")));
        token = page.page_token;
        if token.is_none() {
            return Ok(json!({"keys": keys, "prefixes": prefixes}));
        }
    }
}

async fn get(store: &AmazonS3, request: &Value) -> Result<Value, Failure> {
    let optional = |name| Some(text(request, name).to_string()).filter(|value| !value.is_empty());
    let options = GetOptions {
        range: range_of(text(request, "range"))?,
        if_match: optional("if_match"),
        if_none_match: optional("if_none_match"),
        ..Default::default()
    };
    let data = store.get_opts(&Path::parse(text(request, "key"))?, options).await?.bytes().await?;
    Ok(json!({"data": BASE64_STANDARD.encode(data)}))
}

/// Voxels of the array `path` in the group `key`, in C order and native byte order, inside `start` and `stop` where
/// they are given. The group is the root of the store: zarrs_object_store escapes what is not ASCII in the rest.
async fn pixels(store: Arc<AmazonS3>, request: &Value) -> Result<Value, Failure> {
    let group = PrefixStore::new(store, Path::parse(text(request, "key"))?);
    let path = format!("/{}", text(request, "path"));
    let array = Array::async_open(Arc::new(AsyncObjectStore::new(group)), &path).await?;
    let subset = if request["start"].is_null() {
        array.subset_all()
    } else {
        let ends = numbers(&request["stop"]);
        let ranges: Vec<_> = numbers(&request["start"]).into_iter().zip(ends).map(|(a, b)| a..b).collect();
        ArraySubset::new_with_ranges(&ranges)
    };
    let found: ArrayBytes = array.async_retrieve_array_subset(&subset).await?;
    let kind = serde_json::to_value(array.metadata())?["data_type"].clone();
    Ok(json!({"data": BASE64_STANDARD.encode(found.into_fixed()?), "dtype": kind, "shape": subset.shape()}))
}

async fn answer(stores: &mut Stores, request: &Value) -> Result<Value, Failure> {
    let operation = text(request, "op");
    if operation == "version" {
        return Ok(versions());
    }
    let store = stores.of(text(request, "bucket"))?;
    match operation {
        "keys" => keys(&store, text(request, "prefix")).await,
        "folder" => folder(&store, text(request, "prefix")).await,
        "head" => {
            let found = store.head(&Path::parse(text(request, "key"))?).await?;
            Ok(json!({"size": found.size, "etag": found.e_tag}))
        }
        "get" => get(&store, request).await,
        "presign" => {
            let path = Path::parse(text(request, "key"))?;
            let url = store.signed_url(Method::GET, &path, Duration::from_secs(60)).await?;
            Ok(json!({"url": url.as_str()}))
        }
        "pixels" => pixels(store, request).await,
        "members" => {
            let found = AsyncObjectStore::new(store).list_dir(&StorePrefix::new(text(request, "prefix"))?).await?;
            let names = |items: Vec<&str>| items.into_iter().map(String::from).collect::<Vec<_>>();
            Ok(json!({
                "keys": names(found.keys().iter().map(|k| k.as_str()).collect()),
                "prefixes": names(found.prefixes().iter().map(|p| p.as_str()).collect()),
            }))
        }
        other => Err(format!("unknown operation {other:?}").into()),
    }
}

/// The error with all its causes; its status, as far as object_store tells it by kinds.
fn failure(error: &(dyn Error + 'static)) -> Value {
    use object_store::Error as Kind;
    let status = match error.downcast_ref::<Kind>() {
        Some(Kind::NotFound { .. }) => 404,
        Some(Kind::PermissionDenied { .. }) => 403,
        Some(Kind::Unauthenticated { .. }) => 401,
        Some(Kind::NotModified { .. }) => 304,
        Some(Kind::Precondition { .. }) => 412,
        _ => 0,
    };
    let absent = matches!(error.downcast_ref(), Some(ArrayCreateError::MissingMetadata));
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        told = format!("{told}: {inner}");
        cause = inner.source();
    }
    json!({"error": told, "status": status, "missing": status == 404 || absent})
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a provider of TLS is there already")?;
    let mut stores =
        Stores { endpoint: env::args().nth(1).ok_or("usage: object-store ENDPOINT")?, made: HashMap::new() };
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let found = match answer(&mut stores, &serde_json::from_str(&line?)?).await {
            Ok(found) => found,
            Err(error) => failure(error.as_ref()),
        };
        writeln!(out, "{found}")?;
        out.flush()?;
    }
    Ok(())
}
