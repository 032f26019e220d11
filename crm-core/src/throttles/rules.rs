//! The rules of throttles: none beyond those of their use cases, which alone write them.

use super::record::Throttle;
use crate::rules::Rules;

impl Rules for Throttle {}
