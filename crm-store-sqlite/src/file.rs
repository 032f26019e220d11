//! The file and its lock: creation, refusal of network file systems, and one process at a time.
//!
//! The lock is on a file beside the database, because SQLite's own locks on the database are per transaction. It is
//! released by the operating system when the process ends, however it ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crm_core::store::StoreError;

/// Creates the file if it is missing, readable by its owner only, and locks it for this process. Returns its canonical
/// path and the lock, which is held until it is dropped.
pub(crate) fn open(path: &Path) -> Result<(PathBuf, File), StoreError> {
    let failed = |error: std::io::Error| StoreError::unavailable(format!("{}: {error}", path.display()));
    private().open(path).map_err(failed)?;
    let path = path.canonicalize().map_err(failed)?;
    refuse_network(&path).map_err(StoreError::unavailable)?;
    let lock = lock(&path)?;
    Ok((path, lock))
}

/// Creates an empty file, readable by its owner only.
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    private().open(path)?.set_len(0)
}

/// Gives a complete file its name, after its content is on the disk.
pub(crate) fn publish(part: &Path, name: &Path) -> std::io::Result<()> {
    File::open(part)?.sync_all()?;
    std::fs::rename(part, name)?;
    // The name is on the disk with the directory. Other systems do not open directories.
    #[cfg(unix)]
    if let Some(directory) = name.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let failed = |error: std::io::Error| StoreError::unavailable(format!("{}: {error}", name.display()));
    let mut file = private().open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the message: the holder may be writing it, and some systems do not let others read it.
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "another process" } else { holder.trim() };
            return Err(StoreError::unavailable(format!("{} is in use by {holder}", path.display())));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let holder = format!("process {} on {}\n", std::process::id(), host());
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes())).map_err(failed)?;
    Ok(file)
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "this host".to_owned())
}

/// The log of SQLite needs memory shared by all processes that open the file, which network file systems do not have.
#[cfg(target_os = "linux")]
fn refuse_network(path: &Path) -> Result<(), String> {
    let stat = rustix::fs::statfs(path).map_err(|error| format!("{}: {error}", path.display()))?;
    // The constants of `man 2 statfs` have 32 bits; the type of the field differs between platforms.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    network_name(stat.f_type as u32).map_or(Ok(()), |name| {
        Err(format!("{} is on a network file system ({name}); use a local disk, or another store", path.display()))
    })
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_: &Path) -> Result<(), String> {
    Ok(())
}

/// Returns the name of a network file system by its number in `statfs`.
#[cfg(target_os = "linux")]
const fn network_name(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xfe53_4d42 => "SMB",
        0xff53_4d42 => "CIFS",
        0x00c3_6400 => "Ceph",
        0x5346_414f => "AFS",
        0x0bd0_0bd0 => "Lustre",
        0x0102_1997 => "9P",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        assert_eq!(network_name(0x6969), Some("NFS"));
        // ext4, XFS, btrfs, tmpfs, overlayfs.
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630] {
            assert_eq!(network_name(local), None);
        }
        assert!(refuse_network(&std::env::temp_dir()).is_ok());
    }
}
