//! The rules of the rescore queue: only the sweeper and the commits that mark records write it.

use super::record::Rescoring;
use crate::engine::rules::Rules;

impl Rules for Rescoring {}
