#!/bin/sh
# Installs the programs that the conformance tests and the benchmark drive: Debian packages, Node packages and
# the published OME-NGFF schemas. Safe to run again; does nothing where everything is there. Python packages
# come from the `conformance` extra of the project.
#
#   conformance/install.sh [PYTHON]      PYTHON: the interpreter that runs the tests (default: python3)
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
python=${1:-python3}
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo

packages=""
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || packages="$packages $2"
}
PATH="$PATH:/usr/sbin:/sbin"
need rclone rclone
need chromium chromium
need node nodejs
need npm npm
need s3cmd s3cmd
need s3fs s3fs
need javac default-jdk-headless
need mvn maven
need nginx nginx-light
need wrk wrk
need fc-list fontconfig
[ -d /usr/share/fonts/truetype/dejavu ] || packages="$packages fonts-dejavu-core"

install() { # install PACKAGE...
    $sudo apt-get update -qq &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
log=$(mktemp)
if [ -n "$packages" ]; then
    # shellcheck disable=SC2086 # a list of words
    if ! install $packages >"$log" 2>&1; then
        cat "$log" >&2
        echo "conformance/install.sh: apt-get could not install:$packages" >&2
        exit 1
    fi
fi

# What not every release has; the tests of these say so where they are missing. Debian 12 has a new Rust for its
# browsers under a name of its own, and version 2 of the AWS command line; the conformance extra brings version 1.
command -v cargo >/dev/null 2>&1 || install cargo-web >"$log" 2>&1 || install cargo >"$log" 2>&1 || cat "$log" >&2
[ -x /usr/bin/aws ] || install awscli >"$log" 2>&1 || cat "$log" >&2
rm -f "$log"

# npm reads exact versions from package.json; no lock file, because a lock file would name a registry.
if [ ! -d "$here/node/node_modules/zarrita-0.5" ] || [ ! -d "$here/node/node_modules/playwright-core" ] ||
    [ "$here/node/package.json" -nt "$here/node/node_modules/.installed" ]; then
    (cd "$here/node" && npm install --no-audit --no-fund --no-package-lock --loglevel=error >/dev/null)
    touch "$here/node/node_modules/.installed"
fi

# ngff-zarr carries the published JSON schemas as data files; its own dependencies are not needed for that.
if ! "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("ngff_zarr") is None)'; then
    "$python" -m pip install --quiet --no-deps --disable-pip-version-check ngff-zarr==0.50.0
fi

# vizarr publishes no package with the viewer in it: built from its repository, as it was when it was tried. VIZARR is
# another place to clone from. A repository that cannot be reached is noted, and its tests say so; a build that fails is not.
viewer=be7ccc260e848a2829873c8746f32b4f43599435
if [ "$(cat "$here/.cache/vizarr/commit" 2>/dev/null)" != "$viewer" ]; then
    build=$(mktemp -d)
    mkdir -p "$here/.cache"
    rm -rf "$here/.cache/vizarr" "$here/.cache/vizarr-out-of-reach"
    if ! GIT_TERMINAL_PROMPT=0 timeout 120 git clone -q "${VIZARR:-https://github.com/hms-dbmi/vizarr.git}" "$build/src" \
        >"$build/log" 2>&1; then
        echo "conformance/install.sh: the repository of vizarr is out of reach; its tests are left out" >&2
        cp "$build/log" "$here/.cache/vizarr-out-of-reach"
    elif git -C "$build/src" checkout -q "$viewer" &&
        (cd "$build/src" && npx --yes pnpm@9.5.0 install --frozen-lockfile --silent && npx vite build --logLevel error) \
            >"$build/log" 2>&1; then
        find "$build/src/dist" -name '*.map' -delete
        mv "$build/src/dist" "$here/.cache/vizarr"
        echo "$viewer" >"$here/.cache/vizarr/commit"
    else
        echo "conformance/install.sh: vizarr was not built" >&2
        cat "$build/log" >&2 2>/dev/null || true
    fi
    rm -rf "$build"
fi

# The clients in other languages, built from source: minutes the first time, nothing the second.
sh "$here/sdk/install.sh"
