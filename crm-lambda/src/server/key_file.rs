//! The keys of a server on an SQLite file: created at the first start and kept beside the file, so that a restart signs
//! nobody out and second factors stay readable.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{environment::Environment, settings::random_key};

/// The variables that the file replaces.
const VARIABLES: [&str; 2] = ["CRM_SIGNING_KEYS", "CRM_ENCRYPTION_KEYS"];
const HEADER: &str = "\
# The keys of the CRM in the database beside this file. Back it up with the database, and show it to nobody: it signs
# access tokens and decrypts stored secrets.
";

/// Sets the keys that the environment lacks from the file beside the database, which is created with new keys if there
/// is no database yet. Returns the path of the file if it was used.
///
/// # Errors
/// A message that says what to do, if the file is damaged, missing beside an existing database, or readable by others.
pub fn apply(environment: &mut Environment, database: &Path) -> Result<Option<PathBuf>, String> {
    if VARIABLES.iter().all(|name| environment.get(name).is_some()) {
        return Ok(None);
    }
    let mut path = database.as_os_str().to_owned();
    path.push(".keys");
    let path = PathBuf::from(path);
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::metadata(database).is_ok_and(|file| file.len() > 0) {
                return Err(format!(
                    "{} exists without its keys {}: restore that file, or set {}",
                    database.display(),
                    path.display(),
                    VARIABLES.join(" and ")
                ));
            }
            create(&path).map_err(|error| {
                let path = path.display();
                format!("{path} cannot be created: {error}: create the directory, or name another file with --store")
            })?
        }
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    for name in VARIABLES {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let value =
            value.ok_or_else(|| format!("{} has no line {name}=…: restore it from a backup", path.display()))?;
        environment.preset(name, value);
    }
    Ok(Some(path))
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut file = File::open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        let problem = format!("can be read by others: run chmod 600 {}", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Writes a complete file under another name, then gives it its own, which fails if another process was faster.
fn create(path: &Path) -> io::Result<Zeroizing<String>> {
    let none = || io::Error::other("the system provides no random numbers");
    let (signing, sealing) = (random_key::<48>().ok_or_else(none)?, random_key::<32>().ok_or_else(none)?);
    let [signing_name, sealing_name] = VARIABLES;
    let lines = format!("{HEADER}{signing_name}=local:{}\n{sealing_name}=local:{}\n", *signing, *sealing);
    let text = Zeroizing::new(lines);
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}", std::process::id()));
    let part = PathBuf::from(part);
    // Left by a killed process of the same number, as every process of a container has.
    let _ = fs::remove_file(&part);
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::hard_link(&part, path)?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    });
    let _ = fs::remove_file(&part);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        written => written.map(|()| text),
    }
}
