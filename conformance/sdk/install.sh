#!/bin/sh
# Builds the clients in other languages into conformance/.cache (not part of the repository): a second run does
# nothing. A client whose language is not on this machine is left out; its test then says so in the table.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cache=$here/../.cache
mkdir -p "$cache/bin" "$cache/java"
cache=$(CDPATH= cd -- "$cache" && pwd)
RCLONE=v1.76.0
MC=v0.0.0-20250313080218-cf909e1063a9

note() { echo "conformance/sdk/install.sh: $*" >&2; }
failed=$(mktemp)
broken() { # a build that should work and does not; a continuous integration must not pass over it
    note "$*"
    echo "$*" >>"$failed"
}
stale() { # stale TARGET SOURCE...: whether TARGET is absent or older than a source
    target=$1
    shift
    [ -e "$target" ] || return 0
    [ -n "$(find "$@" -newer "$target" -type f | head -n 1)" ]
}

# Debian's Go may be too old for these modules: Go fetches the newer one that they ask for, from 1.21 on.
if command -v go >/dev/null 2>&1; then
    if stale "$cache/bin/aws-sdk-go" "$here/go"; then
        (cd "$here/go" && go build -o "$cache/bin/aws-sdk-go" .) || broken "the AWS SDK for Go cannot be built"
    fi
    tool() { # tool NAME MODULE VERSION
        if [ ! -x "$cache/bin/$1-$3" ]; then
            rm -f "$cache/bin/$1"*
            if GOBIN=$cache/bin go install "$2@$3"; then
                mv "$cache/bin/$1" "$cache/bin/$1-$3"
                ln -s "$1-$3" "$cache/bin/$1"
            else
                broken "$1 $3 cannot be built"
            fi
        fi
    }
    log=$(mktemp)
    { tool rclone github.com/rclone/rclone "$RCLONE" && tool mc github.com/minio/mc "$MC"; } 2>"$log" || cat "$log" >&2
    grep "^conformance" "$log" >&2 || true
    rm -f "$log"
else
    note "there is no Go: without the AWS SDK for Go, rclone $RCLONE and mc"
fi

if command -v mvn >/dev/null 2>&1 && command -v javac >/dev/null 2>&1; then
    if stale "$cache/java/classes/Main.class" "$here/java"; then
        rm -rf "$cache/java"
        (cd "$here/java" &&
            mvn -q -B dependency:copy-dependencies "-DoutputDirectory=$cache/java/lib" >/dev/null &&
            javac -nowarn -Xlint:none -cp "$cache/java/lib/*" -d "$cache/java/classes" ./*.java 2>/dev/null) ||
            broken "the AWS SDKs for Java cannot be built"
    fi
else
    note "there is no JDK or no Maven: without the AWS SDKs for Java"
fi

# Debian's security updates of the browsers bring a new Rust under another name than the release's own.
if command -v cargo >/dev/null 2>&1; then
    if stale "$cache/bin/object-store" "$here/rust/src" "$here/rust/Cargo.toml" "$here/rust/Cargo.lock"; then
        log=$(mktemp)
        if cargo build --release --locked --quiet --manifest-path "$here/rust/Cargo.toml" \
            --target-dir "$cache/rust" 2>"$log"
        then
            cp "$cache/rust/release/s3facade-conformance" "$cache/bin/object-store"
        else
            cat "$log" >&2
            broken "object_store and zarrs cannot be built"
        fi
        rm -f "$log"
    fi
else
    note "there is no Rust: without object_store and zarrs"
fi

if [ -s "$failed" ] && [ -n "${CI:-}" ]; then
    rm -f "$failed"
    exit 1
fi
rm -f "$failed"
