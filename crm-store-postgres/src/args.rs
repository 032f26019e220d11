//! A builder for SQL statements: the text and the bound arguments.

use std::{fmt::Write as _, sync::Arc};

use crm_core::{store::StoreError, value::Value};
use sqlx::{Arguments as _, Encode, Postgres, Type, postgres::PgArguments};

use crate::row::to_date;

#[derive(Default)]
pub(crate) struct Statement {
    pub(crate) text: String,
    arguments: PgArguments,
    bound: usize,
}

impl Statement {
    /// Binds a value and returns its placeholder.
    pub(crate) fn bind<'q, T>(&mut self, value: T) -> Result<String, StoreError>
    where
        T: Encode<'q, Postgres> + Type<Postgres>,
    {
        self.arguments.add(value).map_err(|error| StoreError::BadQuery(error.to_string()))?;
        self.bound += 1;
        Ok(format!("${}", self.bound))
    }

    /// Binds a value and returns the expression for it. `None` if a single column cannot hold the value.
    pub(crate) fn bind_value(&mut self, value: &Value) -> Result<Option<String>, StoreError> {
        Ok(Some(match value {
            Value::Bool(flag) => self.bind(*flag)?,
            Value::Int(number) => self.bind(*number)?,
            Value::Decimal(number) => format!("{}::numeric", self.bind(number.to_string())?),
            Value::Text(text) => self.bind(text.as_ref())?,
            Value::Id(id) => self.bind(id.uuid())?,
            Value::Time(time) => self.bind(time.chrono())?,
            Value::Date(date) => self.bind(to_date(*date))?,
            _ => return Ok(None),
        }))
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends a literal number. Only page sizes are written as literals, because the planner must know them; all other
    /// input is bound.
    pub(crate) fn push_number(&mut self, number: usize) {
        let _ = write!(self.text, "{number}");
    }

    pub(crate) fn finish(self) -> (Arc<str>, PgArguments) {
        (self.text.into(), self.arguments)
    }
}
