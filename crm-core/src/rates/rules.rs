//! The rules of exchange rates.

use crate::{
    engine::rules::{ClaimsOf, Rules, Settle},
    model::{
        records::rate::Rate,
        schema::Record,
        value::{Decimal, FaultCode},
    },
};

impl Rules for Rate {
    fn settle(_: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if after.rate <= Decimal::ZERO {
            cx.faults.push("rate", FaultCode::TooSmall, "must be greater than 0");
        }
        if after.currency == Some(cx.definitions.base_currency()) {
            cx.faults.push("currency", FaultCode::BaseCurrency, "is the base currency, whose rate is always 1");
        }
    }

    const CLAIMS: Option<ClaimsOf<Self>> = Some(|rate, _| match (rate.currency, rate.day) {
        (Some(currency), Some(day)) => vec![("day", format!("{currency} {day}"))],
        _ => Vec::new(),
    });
}
