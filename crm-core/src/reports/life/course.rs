//! The course of one record through a pipeline: its stage moves, and the stays that they make.

use crate::{
    change::Change,
    value::{Id, Time},
};

/// A stage move, as the log has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Move {
    at: Time,
    version: u64,
    /// In which pipeline it ends.
    pipeline: Id,
    /// From which stage; `None` where the record was created.
    from: Option<Id>,
    /// To which.
    to: Option<Id>,
    /// The reason that was written with it.
    reason: Option<String>,
}

impl Move {
    /// What a change says of it; `None` where it moves no stage. The reason is the field of this name.
    pub(super) fn of(change: &Change, reason: Option<&str>) -> Option<Self> {
        let moved = change.field("stage_id")?;
        let reason = reason.and_then(|name| change.field(name)?.new.as_text().map(str::to_owned));
        Some(Self {
            at: change.occurred_at,
            version: change.version,
            pipeline: change.stage_move?,
            from: moved.old.as_id(),
            to: moved.new.as_id(),
            reason,
        })
    }
}

/// One stay in one stage of the pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stay {
    pub(super) stage: Id,
    pub(super) entered: Time,
    /// Whether the record was created into it.
    pub(super) created: bool,
    /// When it was left and for which stage of the pipeline, `None` for another pipeline's; not at all while the record
    /// is there.
    pub(super) left: Option<(Time, Option<Id>)>,
    /// The reason that was written as it was entered.
    pub(super) reason: Option<String>,
}

impl Stay {
    /// True where the record stood there right before a moment, all that occurred earlier being done.
    pub(super) fn stands(&self, before: Time) -> bool {
        self.entered < before && self.left.is_none_or(|(at, _)| at >= before)
    }
}

/// True where the moves do not join: the record was in another pipeline between two of them. In the order of the log.
pub(super) fn has_gap(moves: &[Move]) -> bool {
    moves.windows(2).any(|pair| pair[0].to != pair[1].from)
}

/// The stays in the stages of a pipeline, in the order in which they happened, from the moves of a record in whatever
/// pipeline. Stage moves never run backwards within a record; of several at one moment the version tells the order.
pub(super) fn stays(pipeline: Id, mut moves: Vec<Move>) -> Vec<Stay> {
    moves.sort_by_key(|one| (one.at, one.version));
    let mut stays: Vec<Stay> = Vec::with_capacity(moves.len());
    for one in moves {
        let to = one.to.filter(|_| one.pipeline == pipeline);
        if let Some(last) = stays.last_mut().filter(|last| last.left.is_none()) {
            last.left = Some((one.at, to));
        }
        if let Some(stage) = to {
            let created = one.from.is_none();
            stays.push(Stay { stage, entered: one.at, created, left: None, reason: one.reason });
        }
    }
    stays
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Id {
        Id::from_parts(1, [number; 10])
    }

    fn at(second: i64) -> Time {
        Time::EPOCH.plus_micros(second * 1_000_000)
    }

    /// The version, the pipeline, from, to.
    fn step(version: u8, pipeline: u8, from: Option<u8>, to: u8) -> Move {
        Move {
            at: at(i64::from(version)),
            version: u64::from(version),
            pipeline: id(pipeline),
            from: from.map(id),
            to: Some(id(to)),
            reason: None,
        }
    }

    fn stay(stage: u8, entered: i64, left: Option<(i64, Option<u8>)>) -> Stay {
        let left = left.map(|(second, to)| (at(second), to.map(id)));
        Stay { stage: id(stage), entered: at(entered), created: entered == 1, left, reason: None }
    }

    #[test]
    fn each_move_ends_the_stay_before_it() {
        let moves = vec![step(1, 9, None, 1), step(4, 9, Some(1), 2), step(6, 9, Some(2), 1)];
        assert!(!has_gap(&moves));
        let expected = [stay(1, 1, Some((4, Some(2)))), stay(2, 4, Some((6, Some(1)))), stay(1, 6, None)];
        assert_eq!(stays(id(9), moves), expected);
    }

    #[test]
    fn what_goes_to_another_pipeline_leaves_and_may_come_back() {
        let own = vec![step(1, 9, None, 1), step(5, 9, Some(21), 2)];
        assert!(has_gap(&own));
        // Out of order, as two pipelines' moves are read one after the other.
        let all = [own, vec![step(3, 8, Some(1), 20), step(4, 8, Some(20), 21)]].concat();
        assert_eq!(stays(id(9), all), [stay(1, 1, Some((3, None))), stay(2, 5, None)]);
    }

    #[test]
    fn of_two_moves_at_one_moment_the_version_tells_the_order() {
        let mut moves = vec![step(1, 9, None, 1), step(3, 9, Some(2), 3), step(2, 9, Some(1), 2)];
        for one in &mut moves {
            one.at = at(7);
        }
        let stages: Vec<Id> = stays(id(9), moves).iter().map(|stay| stay.stage).collect();
        assert_eq!(stages, [id(1), id(2), id(3)]);
    }

    #[test]
    fn standing_is_what_had_been_entered_and_not_left_before() {
        let one = stay(1, 10, Some((20, Some(2))));
        assert!(!one.stands(at(10)), "it enters at that very moment");
        assert!(one.stands(at(11)) && one.stands(at(20)));
        assert!(!one.stands(at(21)));
    }
}
