//! The password hasher: hashes passwords off the threads that serve requests, with bounded concurrency because each
//! hash needs much memory.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use crm_core::auth::{HashingTask, PasswordHasher};
use tokio::sync::Semaphore;

/// How long work waits for a free slot. After that the store is reported as unavailable, and the caller may retry.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tokio's pool of blocking threads, with a limit on the number of concurrent hashes.
#[derive(Clone, Debug)]
pub struct BlockingPool {
    turns: Arc<Semaphore>,
}

impl BlockingPool {
    /// Creates a pool that runs at most `at_once` hashes concurrently, at least one.
    pub fn new(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))) }
    }
}

#[async_trait]
impl PasswordHasher for BlockingPool {
    async fn run(&self, work: HashingTask) {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return };
        // The slot is released with the work: a cancelled request still occupies its thread.
        let done = tokio::task::spawn_blocking(move || {
            work();
            drop(turn);
        });
        if done.await.is_err() {
            tracing::error!("hashing a password panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn never_more_run_at_once_than_allowed() {
        let pool = BlockingPool::new(2);
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let all = (0..16).map(|_| {
            let (pool, running, most) = (pool.clone(), Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                let work = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                pool.run(Box::new(work)).await;
            })
        });
        for one in all.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_turn_is_held_until_the_work_is_done_though_nobody_waits() {
        let pool = BlockingPool::new(1);
        let (finish, wait) = mpsc::channel::<()>();
        let task = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(Box::new(move || wait.recv().unwrap())).await }
        });
        while pool.turns.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
        assert_eq!(pool.turns.available_permits(), 0, "the abandoned work still runs");
        finish.send(()).unwrap();
        let _turn = pool.turns.acquire().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_waits_too_long_is_dropped() {
        let pool = BlockingPool::new(1);
        let _turn = pool.turns.acquire().await.unwrap();
        let ran = Arc::new(AtomicUsize::new(0));
        let noted = Arc::clone(&ran);
        pool.run(Box::new(move || {
            noted.fetch_add(1, Ordering::SeqCst);
        }))
        .await;
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    }
}
