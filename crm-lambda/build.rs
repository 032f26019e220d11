//! Linker options. In a position-independent program the table of relocations is 5 MB, which is fetched, read and
//! processed at each start.
//!
//! The Lambda function, the only program optimized for size, is linked at a fixed address and has no such table.
//! `crm-local` remains position-independent (ASLR), with a packed table if it is built for this machine and the C
//! library supports it (glibc from 2.36 on).

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    let has = |feature: &str| env::var_os(feature).is_some();
    if !is("CARGO_CFG_TARGET_OS", "linux") {
        return;
    }
    if has("CARGO_FEATURE_LAMBDA") && (is("OPT_LEVEL", "s") || is("OPT_LEVEL", "z")) {
        println!("cargo:rustc-link-arg-bin=bootstrap=-no-pie");
    }
    let is_for_here = env::var("TARGET").ok() == env::var("HOST").ok() && is("CARGO_CFG_TARGET_ENV", "gnu");
    if has("CARGO_FEATURE_LOCAL") && is_for_here && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo:rustc-link-arg-bin=crm-local=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this machine's C library, if it is glibc.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let (major, minor) = str::from_utf8(&said.stdout).ok()?.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
