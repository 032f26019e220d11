//! The list of the built-in systems.

use std::sync::Arc;

use crate::{
    engine::{
        definitions::Definitions,
        system::{System, Systems},
    },
    model::{
        store::{self, StoreError},
        value::Kind,
    },
};

/// Returns the built-in systems, in the order in which their hooks run.
pub(crate) fn built_in() -> Vec<System> {
    vec![
        crate::organizations::system(),
        crate::teams::system(),
        crate::roles::system(),
        crate::users::system(),
        crate::properties::system(),
        crate::pipelines::system(),
        crate::rates::system(),
        crate::products::system(),
        crate::companies::system(),
        crate::contacts::system(),
        crate::leads::system(),
        crate::deals::system(),
        crate::tasks::system(),
        crate::interactions::system(),
        crate::notes::system(),
        crate::associations::system(),
        crate::engine::jobs::system(),
        crate::scoring::system(),
        crate::totals::system(),
        sign_in(),
    ]
}

/// The kinds of sign-in exist without the feature `auth` too, because stores derive their tables from them.
fn sign_in() -> System {
    System::new("auth").kinds(&[Kind::Session, Kind::ApiKey, Kind::SecurityEvent, Kind::Credential, Kind::Throttle])
}

impl Definitions {
    /// Creates the definitions from stored records, for a program with only the built-in systems.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a definition cannot be read.
    pub fn new(stored: &store::Definitions) -> Result<Self, StoreError> {
        Self::under(stored, Arc::new(Systems::new(built_in())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_of_one_system() {
        let mut all: Vec<Kind> = built_in().iter().flat_map(|system| system.kinds).copied().collect();
        all.sort_unstable();
        let mut kinds = Kind::ALL.to_vec();
        kinds.sort_unstable();
        assert_eq!(all, kinds);
    }
}
