//! The rules of credentials: only the use cases of sign-in make and write them.

use super::record::Credential;
use crate::{
    rules::{Rules, Settle},
    schema::Record,
};

impl Rules for Credential {
    fn settle(before: Option<&Record<Self>>, _: &mut Self, cx: &mut Settle<'_>) {
        cx.refuse_plain_creation(before.is_none());
    }
}
