//! The rules of API keys: only their use cases make one, and one that is revoked stays revoked (`draft/gate.rs`).

use super::record::ApiKey;
use crate::{
    rules::{Rules, Settle},
    schema::Record,
};

impl Rules for ApiKey {
    fn settle(before: Option<&Record<Self>>, _: &mut Self, cx: &mut Settle<'_>) {
        cx.refuse_plain_creation(before.is_none());
    }
}
