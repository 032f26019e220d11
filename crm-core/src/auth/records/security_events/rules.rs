//! The rules of the security log: only the use cases that produce its events add entries, and entries are immutable.

use super::record::SecurityEvent;
use crate::{
    engine::rules::{Rules, Settle},
    model::{schema::Record, value::FaultCode},
};

impl Rules for SecurityEvent {
    fn settle(before: Option<&Record<Self>>, _: &mut Self, cx: &mut Settle<'_>) {
        if before.is_some() {
            cx.faults.push("", FaultCode::AppendOnly, "security log entries cannot be changed");
        }
    }
}
