// The AWS SDK for Go v2 behind the lines of JSON that conformance/sdk/program.py speaks.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

type request struct {
	Op          string `json:"op"`
	Bucket      string `json:"bucket"`
	Key         string `json:"key"`
	Prefix      string `json:"prefix"`
	Range       string `json:"range"`
	IfMatch     string `json:"if_match"`
	IfNoneMatch string `json:"if_none_match"`
}

type object = map[string]any

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func newClient(endpoint string) *s3.Client {
	var who aws.CredentialsProvider = aws.AnonymousCredentials{}
	if key := os.Getenv("AWS_ACCESS_KEY_ID"); key != "" {
		who = credentials.NewStaticCredentialsProvider(key, os.Getenv("AWS_SECRET_ACCESS_KEY"), "")
	}
	return s3.New(s3.Options{
		BaseEndpoint:     &endpoint,
		Region:           "us-east-1",
		UsePathStyle:     true,
		Credentials:      who,
		RetryMaxAttempts: 1,
	})
}

func list(ctx context.Context, client *s3.Client, r request, delimiter string, page int32) (object, error) {
	keys, prefixes := [][2]any{}, []string{}
	input := &s3.ListObjectsV2Input{Bucket: &r.Bucket, Prefix: optional(r.Prefix), Delimiter: optional(delimiter)}
	if page > 0 {
		input.MaxKeys = &page
	}
	pages := s3.NewListObjectsV2Paginator(client, input)
	for pages.HasMorePages() {
		found, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range found.Contents {
			keys = append(keys, [2]any{*o.Key, *o.Size})
		}
		for _, p := range found.CommonPrefixes {
			prefixes = append(prefixes, *p.Prefix)
		}
	}
	return object{"keys": keys, "prefixes": prefixes}, nil
}

func answer(ctx context.Context, client *s3.Client, r request) (object, error) {
	switch r.Op {
	case "version":
		return object{"version": aws.SDKVersion}, nil
	case "keys":
		return list(ctx, client, r, "", 0)
	case "folder":
		return list(ctx, client, r, "/", 3)
	case "buckets":
		found, err := client.ListBuckets(ctx, &s3.ListBucketsInput{})
		if err != nil {
			return nil, err
		}
		names := []string{}
		for _, b := range found.Buckets {
			names = append(names, *b.Name)
		}
		return object{"buckets": names}, nil
	case "head":
		found, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &r.Bucket, Key: &r.Key})
		if err != nil {
			return nil, err
		}
		return object{"size": *found.ContentLength, "etag": *found.ETag}, nil
	case "get":
		found, err := client.GetObject(ctx, &s3.GetObjectInput{
			Bucket: &r.Bucket, Key: &r.Key, Range: optional(r.Range),
			IfMatch: optional(r.IfMatch), IfNoneMatch: optional(r.IfNoneMatch),
		})
		if err != nil {
			return nil, err
		}
		defer found.Body.Close()
		data, err := io.ReadAll(found.Body)
		if err != nil {
			return nil, err
		}
		return object{"data": base64.StdEncoding.EncodeToString(data)}, nil
	case "presign":
		signed, err := s3.NewPresignClient(client).PresignGetObject(
			ctx, &s3.GetObjectInput{Bucket: &r.Bucket, Key: &r.Key}, s3.WithPresignExpires(time.Minute))
		if err != nil {
			return nil, err
		}
		return object{"url": signed.URL}, nil
	}
	return nil, fmt.Errorf("unknown operation %q", r.Op)
}

func failure(err error) object {
	status, code := 0, ""
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var noKey *types.NoSuchKey
	var notFound *types.NotFound
	missing := errors.As(err, &noKey) || errors.As(err, &notFound)
	return object{"error": err.Error(), "code": code, "status": status, "missing": missing}
}

func main() {
	ctx := context.Background()
	client := newClient(os.Args[1])
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			panic(err)
		}
		found, err := answer(ctx, client, r)
		if err != nil {
			found = failure(err)
		}
		if err := out.Encode(found); err != nil {
			panic(err)
		}
	}
}
