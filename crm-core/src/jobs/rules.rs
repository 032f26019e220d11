//! The rules of jobs: only their use cases make them.

use super::record::Job;
use crate::{
    rules::{Rules, Settle},
    schema::Record,
};

impl Rules for Job {
    fn settle(before: Option<&Record<Self>>, _: &mut Self, cx: &mut Settle<'_>) {
        cx.refuse_plain_creation(before.is_none());
    }
}
