//! A lead as a form sends it, for benchmarks and load: name, email, phone, company, source and two custom properties.

use crm_core::{
    Crm, Error,
    access::Actor,
    leads::NewLead,
    properties::{NewProperty, PropertyOption, PropertyType},
    value::{Kind, Value},
};
use serde_json::{Value as Json, json};

/// Phone numbers of five countries.
fn phone(number: usize) -> String {
    let area = ["+4930", "+1212", "+44208", "+331", "+3491"][number % 5];
    format!("{area}{}", 2_000_000 + number % 8_000_000)
}

fn email(number: usize) -> String {
    format!("lead{number}@example.com")
}

fn product(number: usize) -> &'static str {
    PRODUCTS[number % PRODUCTS.len()]
}

const PRODUCTS: [&str; 3] = ["engine", "loom", "press"];

/// Returns the lead with the given number.
pub fn new_lead(number: usize) -> NewLead {
    let seats = i64::try_from(number % 500).unwrap_or_default();
    NewLead {
        name: format!("Lead {number}"),
        email: Some(email(number)),
        phone: Some(phone(number)),
        company_name: Some("Engines Ltd".into()),
        source: Some("web".into()),
        properties: [("product".to_owned(), Value::text(product(number))), ("seats".to_owned(), Value::Int(seats))]
            .into(),
        ..Default::default()
    }
}

/// Returns the same lead as the body of a request.
pub fn lead_body(number: usize) -> Json {
    json!({
        "name": format!("Lead {number}"),
        "email": email(number),
        "phone": phone(number),
        "company_name": "Engines Ltd",
        "source": "web",
        "properties": {"product": product(number), "seats": number % 500},
    })
}

/// Returns the definitions of the two custom properties, as bodies of requests to `properties/lead`.
pub fn property_bodies() -> [Json; 2] {
    let options: Vec<Json> = PRODUCTS.iter().map(|product| json!({"value": product, "label": product})).collect();
    [
        json!({"key": "product", "name": "Product", "type": "select", "options": options}),
        json!({"key": "seats", "name": "Seats", "type": "integer"}),
    ]
}

/// Defines the two custom properties of a tenant.
///
/// # Errors
/// Those of creating properties.
pub async fn define_properties(crm: &Crm, admin: &Actor) -> Result<(), Error> {
    let new = |key: &str, r#type| NewProperty {
        kind: Some(Kind::Lead),
        key: key.into(),
        name: key.into(),
        r#type,
        ..Default::default()
    };
    let option =
        |product: &&str| PropertyOption { value: (*product).into(), label: (*product).into(), ..Default::default() };
    let options = PRODUCTS.iter().map(option).collect();
    crm.properties(admin).create(NewProperty { options, ..new("product", PropertyType::Select) }).await?;
    crm.properties(admin).create(new("seats", PropertyType::Integer)).await?;
    Ok(())
}
