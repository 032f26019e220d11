//! The rules of what is due: only the keeper of scores and the commits that it follows write it.

use super::record::Rescoring;
use crate::engine::rules::Rules;

impl Rules for Rescoring {}
