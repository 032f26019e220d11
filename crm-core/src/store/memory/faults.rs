//! What can go wrong with a store, on command.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::store::StoreError;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails and did nothing.
    Unavailable,
    /// The commit is not stored, and nobody learns so.
    LostBefore,
    /// The commit is stored, and nobody learns so.
    LostAfter,
}

/// What is to go wrong with a store: faults are taken in order, one a call.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    reads: VecDeque<Option<Fault>>,
    commits: VecDeque<Option<Fault>>,
    after_commit: bool,
    fail_call: Option<u64>,
    lagging: bool,
}

impl Faults {
    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next read that has no fault yet is unavailable.
    pub fn fail_next_read(&self) {
        self.plan().reads.push_back(Some(Fault::Unavailable));
    }

    /// The next commit that has no fault yet goes wrong so.
    pub fn fail_next_commit(&self, fault: Fault) {
        self.plan().commits.push_back(Some(fault));
    }

    /// The commit after so many others goes wrong so, and again when it is sent again, so many times in all.
    pub fn fail_commit_after(&self, others: usize, fault: Fault, times: usize) {
        let mut plan = self.plan();
        plan.commits.extend(std::iter::repeat_n(None, others));
        plan.commits.extend(std::iter::repeat_n(Some(fault), times));
    }

    /// The call of this number, counted from now on with 1, is unavailable.
    pub fn fail_call(&self, number: u64) {
        let mut plan = self.plan();
        plan.fail_call = Some(plan.calls + number);
    }

    /// Whether a call that was told to fail by [`Faults::fail_call`] is still to come.
    pub fn is_pending(&self) -> bool {
        self.plan().fail_call.is_some()
    }

    /// Takes back what was told to go wrong and has not yet.
    pub fn clear(&self) {
        let mut plan = self.plan();
        *plan = Plan { calls: plan.calls, lagging: plan.lagging, ..Default::default() };
    }

    /// How many calls there have been.
    pub fn calls(&self) -> u64 {
        self.plan().calls
    }

    /// From now on lists show what was there when this was called, until [`Faults::catch_up`].
    pub fn lag_lists(&self) {
        self.plan().lagging = true;
    }

    /// Lists show everything from the next commit on.
    pub fn catch_up(&self) {
        self.plan().lagging = false;
    }

    pub(super) fn lag(&self) -> bool {
        self.plan().lagging
    }

    fn count(plan: &mut Plan) -> Result<(), StoreError> {
        plan.calls += 1;
        if plan.fail_call == Some(plan.calls) {
            plan.fail_call = None;
            return Err(StoreError::unavailable("told to fail"));
        }
        Ok(())
    }

    pub(super) fn before_read(&self) -> Result<(), StoreError> {
        let mut plan = self.plan();
        Self::count(&mut plan)?;
        match plan.reads.pop_front().flatten() {
            None => Ok(()),
            Some(_) => Err(StoreError::unavailable("told to fail")),
        }
    }

    pub(super) fn before_commit(&self) -> Result<(), StoreError> {
        let mut plan = self.plan();
        Self::count(&mut plan)?;
        match plan.commits.pop_front().flatten() {
            None => Ok(()),
            Some(Fault::Unavailable) => Err(StoreError::unavailable("told to fail")),
            Some(Fault::LostBefore) => Err(StoreError::outcome_unknown("told to lose the answer")),
            Some(Fault::LostAfter) => {
                plan.after_commit = true;
                Ok(())
            }
        }
    }

    pub(super) fn after_commit(&self) -> Result<(), StoreError> {
        let mut plan = self.plan();
        if std::mem::take(&mut plan.after_commit) {
            return Err(StoreError::outcome_unknown("told to lose the answer"));
        }
        Ok(())
    }
}
