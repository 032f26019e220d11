//! The rules of products.

use super::record::{Product, ProductFields};
use crate::{
    engine::rules::{Rules, Settle},
    model::{
        schema::Record,
        value::{Decimal, FaultCode},
    },
};

impl Rules for Product {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if before.is_none() && !(cx.named)(ProductFields::is_active as usize) {
            after.is_active = true;
        }
        if after.cost.is_some_and(|cost| cost.amount < Decimal::ZERO) {
            cx.faults.push("cost", FaultCode::TooSmall, "must not be negative");
        }
    }
}
