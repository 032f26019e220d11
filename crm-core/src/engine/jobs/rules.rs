//! The rules of jobs: only their use cases make them.

use crate::{engine::rules::Rules, model::records::job::Job};

impl Rules for Job {}
