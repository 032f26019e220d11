//! The one writer: a thread that stores what waits in one transaction, so that concurrent commits share one
//! synchronization of the disk. Each runs in its own savepoint and succeeds or fails alone.
//!
//! The thread has the only connection that writes and checkpoints. All others are read-only.

use std::sync::mpsc::Receiver;

use crm_core::store::StoreError;
use futures::channel::oneshot;
use rusqlite::Connection;

use crate::error::Failure;

/// The answer to a job: a number whose meaning depends on the job.
pub(crate) type Reply = oneshot::Sender<Result<u64, StoreError>>;

/// A write within a transaction.
pub(crate) type Write = Box<dyn FnOnce(&Connection) -> Result<u64, Failure> + Send>;

/// Work for the writer.
pub(crate) enum Job {
    /// Writes within the transaction. After an error, everything that it wrote is rolled back.
    Write(Write, Reply),
    /// Moves the write-ahead log into the database and truncates it.
    Purge(Reply),
}

pub(crate) struct Writer {
    db: Connection,
    max_batch: usize,
    /// The error by which the file turned out to be damaged. Nothing is written from then on.
    damage: Option<StoreError>,
}

impl Writer {
    pub(crate) const fn new(db: Connection, max_batch: usize) -> Self {
        Self { db, max_batch, damage: None }
    }

    /// Works until all senders are gone.
    pub(crate) fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(job) = queue.recv() {
            self.batch(job, queue);
        }
    }

    /// Stores a job and those that arrive until it is stored, up to the maximum, and answers them.
    fn batch(&mut self, first: Job, queue: &Receiver<Job>) {
        // The error by which the whole transaction is lost before its commit.
        let mut lost = self.begin().err();
        let (mut done, mut purge, mut next) = (Vec::new(), None, Some(first));
        while let Some(job) = next.take() {
            match job {
                Job::Purge(reply) => {
                    purge = Some(reply);
                    break;
                }
                Job::Write(write, reply) => {
                    let result = if lost.is_none() { self.within_savepoint(write) } else { Ok(0) };
                    done.push((
                        reply,
                        result.map_err(|failure| {
                            let ends = failure.ends_transaction() || self.db.is_autocommit();
                            let error = self.error(failure);
                            if ends {
                                lost = Some(error.clone());
                            }
                            error
                        }),
                    ));
                }
            }
            if done.len() < self.max_batch {
                next = queue.try_recv().ok();
            }
        }
        let outcome = match lost {
            None => self.commit(),
            Some(error) => Err(error),
        };
        if outcome.is_err() && !self.db.is_autocommit() {
            // What cannot be rolled back was not begun, or is rolled back when the file is opened again.
            let _ = self.db.execute_batch("rollback");
        }
        for (reply, result) in done {
            // The receiver is gone if the caller stopped waiting.
            let _ = reply.send(match &outcome {
                Ok(()) => result,
                Err(error) => Err(after(error, result.is_ok())),
            });
        }
        if let Some(reply) = purge {
            let _ = reply.send(self.purge());
        }
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        self.statement("begin immediate").map_err(|failure| self.error(failure))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.statement("commit").map_err(|failure| match self.error(failure) {
            // The last pages may have reached the disk.
            StoreError::Corrupt(cause) | StoreError::Unavailable(cause) => StoreError::OutcomeUnknown(cause),
            other => other,
        })
    }

    fn statement(&self, sql: &str) -> Result<(), Failure> {
        self.db.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn within_savepoint(&self, write: impl FnOnce(&Connection) -> Result<u64, Failure>) -> Result<u64, Failure> {
        self.statement("savepoint one")?;
        match write(&self.db) {
            Ok(result) => {
                self.statement("release one")?;
                Ok(result)
            }
            Err(failure) => {
                // Fails if the error ended the transaction, which the caller looks at.
                let _ = self.db.execute_batch("rollback to one; release one");
                Err(failure)
            }
        }
    }

    fn purge(&mut self) -> Result<u64, StoreError> {
        let busy = self.db.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0));
        match busy.map_err(|error| self.error(error.into()))? {
            0 => Ok(0),
            _ => Err(StoreError::unavailable("other readers use the file; try again")),
        }
    }

    /// Returns the error of a failure, and remembers that the file is damaged.
    fn error(&mut self, failure: Failure) -> StoreError {
        let is_damage = failure.is_damage();
        let error = StoreError::from(failure);
        if is_damage {
            self.damage = Some(error.clone());
        }
        error
    }
}

/// Returns the error of a job whose transaction was lost. A refusal may be due to a neighbor that was not stored, so it
/// no longer holds; its job certainly stored nothing.
fn after(error: &StoreError, wrote: bool) -> StoreError {
    match error {
        StoreError::OutcomeUnknown(cause) if !wrote => StoreError::Unavailable(cause.clone()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::executor::block_on;

    use super::*;

    /// Runs jobs that wait together, in batches of three, and returns their answers with the stored numbers.
    fn run(db_sql: &str, jobs: Vec<Write>) -> (Vec<Result<u64, StoreError>>, String) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let db = Connection::open(file.path()).unwrap();
        db.execute_batch(
            "pragma foreign_keys = on; create table parent (n integer primary key); create table one (n integer primary \
             key, parent references parent deferrable initially deferred, text)",
        )
        .unwrap();
        db.execute_batch(db_sql).unwrap();
        let (send, queue) = mpsc::channel();
        let answers: Vec<_> = jobs
            .into_iter()
            .map(|job| {
                let (reply, answer) = oneshot::channel();
                assert!(send.send(Job::Write(job, reply)).is_ok());
                answer
            })
            .collect();
        drop(send);
        Writer::new(db, 3).run(&queue);
        let stored = Connection::open(file.path()).unwrap();
        let stored = stored.query_row("select ifnull(group_concat(n), '') from one order by n", [], |row| row.get(0));
        (answers.into_iter().map(|answer| block_on(answer).unwrap()).collect(), stored.unwrap())
    }

    fn insert(sql: &'static str) -> Write {
        Box::new(move |db| Ok(db.execute(sql, [])? as u64))
    }

    fn refused() -> Write {
        Box::new(|db| {
            db.execute("insert into one (n) values (100)", [])?;
            Err(StoreError::KeyUsed.into())
        })
    }

    #[test]
    fn a_job_that_fails_leaves_its_neighbors_alone() {
        let twice = insert("insert into one (n) values (3), (1)");
        let jobs =
            vec![insert("insert into one (n) values (1)"), refused(), twice, insert("insert into one (n) values (2)")];
        let (answers, stored) = run("", jobs);
        assert_eq!(stored, "1,2");
        let [Ok(1), Err(StoreError::KeyUsed), Err(StoreError::Unavailable(_)), Ok(1)] = &answers[..] else {
            panic!("{answers:?}")
        };
    }

    #[test]
    fn after_a_failed_commit_the_outcome_is_unknown_to_those_who_wrote() {
        let orphan = insert("insert into one (n, parent) values (1, 7)");
        let jobs =
            vec![insert("insert into one (n) values (2)"), orphan, refused(), insert("insert into one (n) values (3)")];
        let (answers, stored) = run("", jobs);
        assert_eq!(stored, "3");
        let [
            Err(StoreError::OutcomeUnknown(_)),
            Err(StoreError::OutcomeUnknown(_)),
            Err(StoreError::Unavailable(_)),
            Ok(1),
        ] = &answers[..]
        else {
            panic!("{answers:?}")
        };
    }

    #[test]
    fn a_full_disk_stores_nothing_of_the_transaction() {
        let large = insert("insert into one (n, text) values (1, zeroblob(100000))");
        let jobs =
            vec![insert("insert into one (n) values (2)"), refused(), large, insert("insert into one (n) values (3)")];
        let (answers, stored) = run("pragma max_page_count = 8", jobs);
        assert_eq!(stored, "3");
        let [Err(StoreError::Unavailable(_)), Err(StoreError::Unavailable(_)), Err(StoreError::Unavailable(_)), Ok(1)] =
            &answers[..]
        else {
            panic!("{answers:?}")
        };
    }
}
