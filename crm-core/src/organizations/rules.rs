//! The rules of organizations.

use crate::{
    engine::{
        draft::{Draft, Step, Stop},
        rules::{ClaimsOf, Rules, Settle},
    },
    model::{
        error::Error,
        records::organization::Organization,
        schema::{Image, Record},
        value::{Currency, FaultCode, fold},
    },
};

impl Rules for Organization {
    fn settle(before: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        let currency = *after.base_currency.get_or_insert(Currency::USD);
        if before.is_some_and(|before| before.base_currency != Some(currency)) {
            cx.faults.push("base_currency", FaultCode::Fixed, "cannot be changed after the organization was created");
        }
        after.time_zone.get_or_insert_with(|| "UTC".to_owned());
        after.locale.get_or_insert_with(|| "en".to_owned());
        after.fiscal_year_start_month.get_or_insert(1);
        if before.is_some_and(|before| before.allow_shared_emails) && !after.allow_shared_emails {
            // This would require a job that claims the addresses of all contacts.
            cx.faults.push("allow_shared_emails", FaultCode::Fixed, "cannot be disabled once it was enabled");
        }
        if let Some(country) = &mut after.default_country {
            *country = country.to_ascii_uppercase();
            if country.len() != 2 || country.parse::<phonenumber::country::Id>().is_err() {
                cx.faults.push(
                    "default_country",
                    FaultCode::UnknownCountry,
                    "must be an ISO 3166 country code such as DE",
                );
            }
        }
        for name in &mut after.interaction_types {
            match crate::model::value::normalize_slug(name) {
                Ok(normal) => *name = normal,
                Err(fault) => cx.faults.add("interaction_types", fault),
            }
        }
    }

    fn follow(_: &mut Draft<'_>, before: Option<&Image>, after: &Image, step: Step) -> Result<(), Stop> {
        if before.is_none() && step.action != "bootstrap" {
            let message = "a tenant has exactly one organization, which is created with it";
            return Err(Error::invalid("organization", FaultCode::Fixed, message).into());
        }
        if after.is_archived() {
            return Err(Error::invalid(
                "archived_at",
                FaultCode::Fixed,
                "an organization cannot be archived: suspend it instead",
            )
            .into());
        }
        Ok(())
    }

    const CLAIMS: Option<ClaimsOf<Self>> = Some(|organization, _| {
        // The draft claims it under the nil tenant: slugs are unique across all organizations.
        organization.slug.iter().map(|slug| ("slug", fold(slug))).collect()
    });
}
