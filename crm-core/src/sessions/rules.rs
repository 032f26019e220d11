//! The rules of sessions: only signing in makes one, and one that is over stays over (`draft/gate.rs`).

use super::record::Session;
use crate::{
    rules::{Rules, Settle},
    schema::Record,
};

impl Rules for Session {
    fn settle(before: Option<&Record<Self>>, _: &mut Self, cx: &mut Settle<'_>) {
        cx.refuse_plain_creation(before.is_none());
    }
}
