#!/usr/bin/env bash
# How long a crate of 100 modules with 10 fields (7 of them with defaults) and 100 compact methods takes to build, against
# the same structs with plain derives and the same methods as plain ones. Prints the medians of five builds and their ratio.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=${CARGO_TARGET_DIR:-$root/target}/compile-time
mkdir -p "$work"

# module or plain
generate() {
    local dir=$work/$1 i
    mkdir -p "$dir/src"
    cat >"$dir/Cargo.toml" <<TOML
[package]
name = "compile-time-$1"
version = "0.0.0"
edition = "2024"
publish = false

[workspace]

[dependencies]
flaxen = { path = "$root/runtime" }
TOML
    # The versions that are locked here are those that are downloaded already.
    cp "$root/Cargo.lock" "$dir/Cargo.lock"
    {
        echo 'use flaxen::prelude::*;'
        for i in $(seq 100); do "$1" "$i"; done
    } >"$dir/src/lib.rs"
}

module() {
    cat <<RUST
#[module]
pub struct Block$1 {
    pub features: usize,
    pub kernel: [usize; 2],
    pub label: String,
    #[module(default = 0.1)]
    pub rate: f32,
    #[module(default = 1e-5)]
    pub epsilon: f32,
    #[module(default = true)]
    pub use_bias: bool,
    #[module(default = [1, 1])]
    pub strides: [usize; 2],
    #[module(default)]
    pub axis: Option<usize>,
    #[module(default)]
    pub axis_name: Option<String>,
    #[module(default = 8)]
    pub groups: usize,
}
impl Block$1 {
    #[compact]
    pub fn call(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = x * self.rate;
        if train { Ok(y.relu() + self.epsilon) } else { Ok(y) }
    }
}
RUST
}

plain() {
    module "$1" | sed -e 's/^#\[module\]/#[derive(Clone, Debug, PartialEq, Default)]/' -e '/#\[module(/d' -e '/#\[compact\]/d'
}

# Silent unless it fails.
build() {
    CARGO_INCREMENTAL=0 CARGO_TARGET_DIR=$work/target cargo build --quiet --offline --manifest-path "$1" 2>"$work/log" ||
        { cat "$work/log" >&2 && return 1; }
}

# The median of five builds of one crate, in milliseconds of processor time, which does not depend on what else the machine
# does; what the crate depends on is built before.
measure() {
    local manifest=$work/$1/Cargo.toml
    build "$manifest"
    for _ in 1 2 3 4 5; do
        touch "$work/$1/src/lib.rs"
        local seconds
        seconds=$({ TIMEFORMAT=%U && time build "$manifest"; } 2>&1)
        echo $((10#${seconds/./}))
    done | sort -n | sed -n 3p
}

generate module
generate plain
modules=$(measure module)
plains=$(measure plain)
echo "100 modules and compact methods: $modules ms"
echo "100 structs with plain derives:  $plains ms"
awk "BEGIN { printf \"ratio: %.2f\n\", $modules / $plains }"
