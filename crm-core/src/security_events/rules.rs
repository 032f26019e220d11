//! The rules of the security log: only the use cases that it is about add to it, and an entry stays as it is.

use super::record::SecurityEvent;
use crate::{
    rules::{Rules, Settle},
    schema::Record,
};

impl Rules for SecurityEvent {
    fn settle(before: Option<&Record<Self>>, _: &mut Self, cx: &mut Settle<'_>) {
        cx.refuse_plain_creation(before.is_none());
        if before.is_some() {
            cx.faults.push("", "append_only", "an entry of the security log cannot be changed");
        }
    }
}
