//! The record of a product.

use crate::model::{
    schema::record,
    value::{Choice, Money, choices},
};

choices! {
    /// How often a product is billed.
    #[derive(Default)]
    pub enum Billing {
        /// Once, when it is sold.
        #[default]
        OneTime = "one_time",
        /// Every month.
        Monthly = "monthly",
        /// Every three months.
        Quarterly = "quarterly",
        /// Every year.
        Yearly = "yearly",
    }
}

record! {
    /// A product or service that is sold.
    Product, NewProduct, ProductPatch, ProductFields {
        own: [], team: [],
        person {
            /// The name.
            name: String = Text(MAX_TEXT), [required, searchable];
            /// The stock keeping unit: the product's own number, unique among live products.
            sku: Option<String> = Text(64), [unique, searchable];
            /// The description.
            description: Option<String> = LongText, [];
            /// The product family.
            family: Option<String> = Text(MAX_TEXT), [searchable, reportable];
            /// The unit of a quantity, such as `hour` or `kg`.
            unit: Option<String> = Text(32), [];
            /// `true` while the product can be sold. A product is created active, unless a patch or a request body says
            /// otherwise.
            is_active: bool = Bool, [];
            /// How often it is billed.
            billing: Billing = FieldType::Choice(Billing::NAMES), [reportable];
            /// The cost of one unit to the organization.
            cost: Option<Money> = FieldType::Money, [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { () -> name; (family) -> name; }
    }
}
