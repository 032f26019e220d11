//! Verification of a whole file.

use crm_core::{
    schema::Image,
    store::StoreError,
    value::{Kind, Value},
};
use rusqlite::{Connection, Row, types::ValueRef};

use crate::{
    commit::bind_entry,
    error::Failure,
    layout::{Layout, layout},
    log,
    row::{self, Binds},
};

/// Checks the file, its indexes, and that every record and change can be read. Returns the number of records.
pub(crate) fn verify(db: &Connection) -> Result<u64, Failure> {
    // All statements see the same state.
    let db = db.unchecked_transaction()?;
    let found: String = db.query_row("pragma integrity_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        return Err(StoreError::corrupt(found).into());
    }
    let mut records = 0;
    for &kind in Kind::ALL {
        records += of_kind(&db, layout(kind))?;
    }
    log::verify(&db)?;
    Ok(records)
}

fn of_kind(db: &Connection, layout: &Layout) -> Result<u64, Failure> {
    let (mut records, mut entries) = (0, vec![0; layout.entries.len()]);
    let mut statement = db.prepare(&layout.every)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let image = row::image(layout, row, true)?;
        keys(layout, row, &image)?;
        for (table, count) in layout.entries.iter().zip(&mut entries) {
            let sort = table.index.sort_value(&image);
            for element in table.index.entries(&image).iter().flatten() {
                let mut statement = db.prepare_cached(&table.find)?;
                let mut bind = Binds::new(&mut statement);
                bind_entry(&mut bind, element, &sort, &image)?;
                bind.int(row::number(row)?)?;
                if statement.raw_query().next()?.is_none() {
                    return Err(damaged(&image, &format!("is missing in {}", table.table)));
                }
                *count += 1;
            }
        }
        records += 1;
    }
    for (table, count) in layout.entries.iter().zip(entries) {
        let stored: i64 = db.query_row(&format!("select count(*) from \"{}\"", table.table), [], |row| row.get(0))?;
        if stored != count {
            return Err(StoreError::corrupt(format!("{} has entries without a record", table.table)).into());
        }
    }
    Ok(records)
}

fn keys(layout: &Layout, row: &Row<'_>, image: &Image) -> Result<(), Failure> {
    for (at, key) in (row::after_record(layout)..).zip(&layout.keys) {
        let stored = row.get_ref(at)?;
        let is_same = match key.index.sort_value(image) {
            Value::Text(text) => stored == ValueRef::Text(text.as_bytes()),
            _ => stored == ValueRef::Null,
        };
        if !is_same {
            return Err(damaged(image, &format!("has a wrong {}", key.column)));
        }
    }
    Ok(())
}

fn damaged(image: &Image, what: &str) -> Failure {
    StoreError::corrupt(format!("{} {what}", image.reference())).into()
}
