//! The rules of jobs: they are created by their use cases only.

use crate::{engine::rules::Rules, model::records::job::Job};

impl Rules for Job {}
