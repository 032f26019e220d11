//! Identifiers: UUIDs, version 7 when the core makes them, so that they sort by the time they were made.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The identifier of a record, a commit or a tenant. Never a secret: who knows an id may still not read the record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(Uuid);

impl Id {
    /// The id that names nothing; the tenant under which organizations' slugs are claimed.
    pub const NIL: Id = Id(Uuid::nil());

    /// An id from a UUID of any version, such as an embedder's own.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// A UUIDv7 from milliseconds since 1970 and ten bytes of entropy (or of a counter, in tests).
    pub fn from_parts(unix_millis: u64, bytes: [u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_millis, &bytes).into_uuid())
    }

    /// The UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The sixteen bytes, big-endian: their order is the order of ids on every store.
    pub const fn bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// True for [`Id::NIL`].
    pub const fn is_nil(self) -> bool {
        self.0.is_nil()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Id {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl From<Uuid> for Id {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}
