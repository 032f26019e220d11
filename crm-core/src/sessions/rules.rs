//! The rules of sessions: none beyond those of their use cases, which alone write them.

use super::record::Session;
use crate::rules::Rules;

impl Rules for Session {}
