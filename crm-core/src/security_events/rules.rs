//! The rules of the security log: an entry once made stays as it is.

use super::record::SecurityEvent;
use crate::{
    rules::{Rules, Settle},
    schema::Record,
};

impl Rules for SecurityEvent {
    fn settle(before: Option<&Record<Self>>, _: &mut Self, cx: &mut Settle<'_>) {
        if before.is_some() {
            cx.faults.push("", "append_only", "an entry of the security log cannot be changed");
        }
    }
}
