//! The stage history of one record in a pipeline: its stage moves, and the stays between them.

use crate::model::{
    change::Change,
    records::pipeline::{Pipeline, Stage},
    value::{Id, Time},
};

/// A stage move of the change log.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Move {
    at: Time,
    version: u64,
    /// The pipeline of the target stage.
    pipeline: Id<Pipeline>,
    /// The stage that was left; `None` if the record was created.
    from: Option<Id<Stage>>,
    /// The stage that was entered.
    to: Option<Id<Stage>>,
    /// The reason that was written with the move.
    reason: Option<String>,
}

impl Move {
    /// Returns the move in a change; `None` if it moves no stage. `reason` is the name of the field with the reason.
    pub(super) fn of(change: &Change, reason: Option<&str>) -> Option<Self> {
        let moved = change.field("stage_id")?;
        let reason = reason.and_then(|name| change.field(name)?.new.as_text().map(str::to_owned));
        Some(Self {
            at: change.occurred_at,
            version: change.version,
            pipeline: change.stage_move?,
            from: moved.old.as_id().map(Id::typed),
            to: moved.new.as_id().map(Id::typed),
            reason,
        })
    }
}

/// One stay in one stage of the pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stay {
    pub(super) stage: Id<Stage>,
    pub(super) entered: Time,
    /// `true` if the record was created in the stage.
    pub(super) created: bool,
    /// The time of the exit and the target stage (`None` for another pipeline); `None` while the record is in the
    /// stage.
    pub(super) left: Option<(Time, Option<Id<Stage>>)>,
    /// The reason that was written with the entry.
    pub(super) reason: Option<String>,
}

impl Stay {
    /// Returns `true` if the record was in the stage immediately before a time, after all earlier changes.
    pub(super) fn stands(&self, before: Time) -> bool {
        self.entered < before && self.left.is_none_or(|(at, _)| at >= before)
    }
}

/// Returns `true` if the moves are not contiguous, because the record was in another pipeline in between. The moves are
/// in the order of the log.
pub(super) fn has_gap(moves: &[Move]) -> bool {
    moves.windows(2).any(|pair| pair[0].to != pair[1].from)
}

/// Returns the stays in the stages of a pipeline, in chronological order, from the moves of a record in any pipeline.
/// Stage moves of a record never go back in time; the version orders those of the same time.
pub(super) fn stays(pipeline: Id<Pipeline>, mut moves: Vec<Move>) -> Vec<Stay> {
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

    fn id<K>(number: u8) -> Id<K> {
        Id::from_parts(1, [number; 10]).typed()
    }

    fn at(second: i64) -> Time {
        Time::EPOCH.plus_micros(second * 1_000_000)
    }

    /// Creates a move from version, pipeline, source stage and target stage.
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
        // Out of order, as the moves of two pipelines are read one after the other.
        let all = [own, vec![step(3, 8, Some(1), 20), step(4, 8, Some(20), 21)]].concat();
        assert_eq!(stays(id(9), all), [stay(1, 1, Some((3, None))), stay(2, 5, None)]);
    }

    #[test]
    fn of_two_moves_at_one_moment_the_version_tells_the_order() {
        let mut moves = vec![step(1, 9, None, 1), step(3, 9, Some(2), 3), step(2, 9, Some(1), 2)];
        for one in &mut moves {
            one.at = at(7);
        }
        let stages: Vec<Id<Stage>> = stays(id(9), moves).iter().map(|stay| stay.stage).collect();
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
