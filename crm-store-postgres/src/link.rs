//! Access to the database: a pool, or the caller's own open transaction.

use std::{fmt, sync::Arc};

use sqlx::{
    AssertSqlSafe, PgPool, Postgres, Transaction,
    postgres::{PgArguments, PgRow},
};
use tokio::sync::Mutex;

use crate::{connections::Connections, error::Failure};

/// The store's own pool, an embedder's pool, or a transaction that the caller began and will end.
#[derive(Clone)]
pub(crate) enum Link {
    Own(Connections),
    Pool(PgPool),
    Open(Arc<Mutex<Option<Transaction<'static, Postgres>>>>),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Link::Own(connections) => connections.fmt(f),
            Link::Pool(pool) => pool.fmt(f),
            Link::Open(_) => f.write_str("Transaction"),
        }
    }
}

impl Link {
    /// Returns `true` for the caller's own open transaction.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self, Link::Open(_))
    }

    /// Runs a statement, prepared once per connection, and returns its rows. One round trip.
    pub(crate) async fn rows(&self, sql: Arc<str>, arguments: PgArguments) -> Result<Vec<PgRow>, Failure> {
        // The text is built in this crate from declarations. All external input is bound.
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
        match self {
            Link::Own(connections) => {
                let mut lease = connections.acquire().await.map_err(Failure::NotSent)?;
                let answer = query.fetch_all(&mut lease.connection).await;
                match &answer {
                    Err(error) if !is_word_of_statement(error) => lease.lost(),
                    _ => lease.give_back(),
                }
                answer.map_err(Failure::Failed)
            }
            Link::Pool(pool) => {
                let mut connection = pool.acquire().await.map_err(Failure::NotSent)?;
                query.fetch_all(&mut *connection).await.map_err(Failure::Failed)
            }
            Link::Open(shared) => match shared.lock().await.as_mut() {
                Some(transaction) => query.fetch_all(&mut **transaction).await.map_err(Failure::Failed),
                None => Err(Failure::NotSent(sqlx::Error::Configuration("the transaction has been given back".into()))),
            },
        }
    }
}

/// Returns `true` if the server rejected one statement and is ready for the next. Class 57P means that the server ends
/// the connection.
fn is_word_of_statement(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| !code.starts_with("57P"))
}
