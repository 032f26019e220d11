//! The rules of credentials: only the use cases of sign-in create and write them.

use crate::{
    engine::{draft::Stop, rules::Rules},
    model::{
        records::credential::{Credential, CredentialFields},
        schema::Image,
        value::{FieldValue as _, Value},
    },
};

impl Rules for Credential {}

/// The write that ends every session of a credential's user.
pub(crate) fn next_generation(credential: &Image) -> Result<(usize, Value), Stop> {
    let generation = i64::from_value(credential.at(CredentialFields::session_generation))?;
    Ok((CredentialFields::session_generation as usize, Value::Int(generation.saturating_add(1))))
}
