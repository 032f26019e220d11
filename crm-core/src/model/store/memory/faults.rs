//! Fault injection for the store in memory.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::model::store::StoreError;

/// An injected fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call fails without effect.
    Unavailable,
    /// The commit is not stored, and its outcome is reported as unknown.
    LostBefore,
    /// The commit is stored, and its outcome is reported as unknown.
    LostAfter,
}

/// The faults to inject, in order, one per call.
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

    /// Makes the next read without a fault unavailable.
    pub fn fail_next_read(&self) {
        self.plan().reads.push_back(Some(Fault::Unavailable));
    }

    /// Adds a fault to the next commit without one.
    pub fn fail_next_commit(&self, fault: Fault) {
        self.plan().commits.push_back(Some(fault));
    }

    /// Adds a fault to the commit after `others` further commits, and to its retries, `times` times in all.
    pub fn fail_commit_after(&self, others: usize, fault: Fault, times: usize) {
        let mut plan = self.plan();
        plan.commits.extend(std::iter::repeat_n(None, others));
        plan.commits.extend(std::iter::repeat_n(Some(fault), times));
    }

    /// Makes the call with this number, counted from now starting at 1, unavailable.
    pub fn fail_call(&self, number: u64) {
        let mut plan = self.plan();
        plan.fail_call = Some(plan.calls + number);
    }

    /// Returns `true` if the fault of [`Faults::fail_call`] has not occurred yet.
    pub fn is_pending(&self) -> bool {
        self.plan().fail_call.is_some()
    }

    /// Removes all faults that have not occurred yet.
    pub fn clear(&self) {
        let mut plan = self.plan();
        *plan = Plan { calls: plan.calls, lagging: plan.lagging, ..Default::default() };
    }

    /// Returns the number of calls so far.
    pub fn calls(&self) -> u64 {
        self.plan().calls
    }

    /// Freezes lists at their current content until [`Faults::catch_up`].
    pub fn lag_lists(&self) {
        self.plan().lagging = true;
    }

    /// Makes lists current again from the next commit on.
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
