//! Writes a source file, as build scripts do.

use std::{env, fs, path::Path};

fn main() {
    let folder = env::var("OUT_DIR").unwrap();
    fs::write(Path::new(&folder).join("word.rs"), "\"hello\"").unwrap();
    println!("cargo:rerun-if-changed=build.rs");
}
