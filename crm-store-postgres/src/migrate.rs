//! Embedded migrations, applied once each in order, safely from several processes at the same time.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// All migrations in order. A released migration is never edited.
pub(crate) const MIGRATIONS: &[(i32, &str, &str)] = &[
    (1, "schema", include_str!("../migrations/0001_schema.sql")),
    (2, "product", include_str!("../migrations/0002_product.sql")),
];

/// The advisory lock under which migrations run: "crm" and a number, to avoid collisions with other locks.
const LOCK: i64 = 0x0063_726d_0000_0001;

/// Updates the schema and returns the number of migrations that ran.
pub(crate) async fn migrate(connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    // Created only if missing: the role that runs migrations may lack the right to create schemas.
    let there: bool =
        sqlx::query_scalar("select to_regnamespace('crm') is not null").fetch_one(&mut *transaction).await?;
    if !there {
        sqlx::query("create schema crm").execute(&mut *transaction).await?;
    }
    let kept: bool =
        sqlx::query_scalar("select to_regclass('crm.migration') is not null").fetch_one(&mut *transaction).await?;
    if !kept {
        sqlx::query(
            "create table crm.migration (number integer primary key, name text not null, applied_at timestamptz not null \
             default now())",
        )
        .execute(&mut *transaction)
        .await?;
    }
    let applied: Vec<i32> = sqlx::query_scalar("select number from crm.migration").fetch_all(&mut *transaction).await?;
    let mut ran = 0;
    for (number, name, sql) in MIGRATIONS.iter().filter(|(number, ..)| !applied.contains(number)) {
        sqlx::raw_sql(AssertSqlSafe(*sql)).execute(&mut *transaction).await?;
        sqlx::query("insert into crm.migration (number, name) values ($1, $2)")
            .bind(number)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        ran += 1;
    }
    transaction.commit().await?;
    Ok(ran)
}
