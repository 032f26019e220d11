//! The rules of jobs: none beyond those of their use cases, which alone write them.

use super::record::Job;
use crate::rules::Rules;

impl Rules for Job {}
