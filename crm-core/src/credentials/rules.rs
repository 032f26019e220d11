//! The rules of credentials: none beyond those of their use cases, which alone write them.

use super::record::Credential;
use crate::rules::Rules;

impl Rules for Credential {}
