//! The rules of throttles: only the use cases of sign-in create and write them.

use super::record::Throttle;
use crate::engine::rules::Rules;

impl Rules for Throttle {}
