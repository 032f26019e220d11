//! The rules of API keys: none beyond those of their use cases, which alone write them.

use super::record::ApiKey;
use crate::rules::Rules;

impl Rules for ApiKey {}
