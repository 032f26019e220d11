//! The rules of jobs: only their use cases make them.

use super::record::Job;
use crate::rules::Rules;

impl Rules for Job {}
