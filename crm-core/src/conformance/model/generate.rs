//! Random sequences of operations from a seed.

use super::{Base, ClaimMove, CommitOp, GuardOp, How, Op, Rng, Slot, WriteOp};
use crate::model::value::Kind;

/// The number of tenants.
pub(super) const TENANTS: u8 = 2;
/// The number of records of a kind.
pub(super) const SLOTS: u8 = 5;
/// The number of claims of a kind.
pub(super) const CLAIMS: u8 = 4;
/// The number of keys.
pub(super) const KEYS: u8 = 3;

/// The kinds with the most features, which are chosen more often.
const OFTEN: [Kind; 11] = [
    Kind::Lead,
    Kind::Lead,
    Kind::Deal,
    Kind::Deal,
    Kind::Deal,
    Kind::Contact,
    Kind::Contact,
    Kind::Company,
    Kind::Company,
    Kind::Task,
    Kind::Task,
];

/// Returns a sequence of operations, determined by the seed.
pub fn ops(seed: u64, steps: usize) -> Vec<Op> {
    let mut rng = Rng::new(crate::conformance::lab::mix(seed));
    // Few kinds per sequence, so that its operations interact. The organization is created with its tenant.
    let others = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::Organization);
    let all: Vec<Kind> = others.chain(OFTEN).collect();
    let kinds: Vec<Kind> = (0..4).filter_map(|_| rng.pick(&all).copied()).collect();
    (0..steps).map(|_| op(&mut rng, &kinds)).collect()
}

fn small(rng: &mut Rng, bound: u8) -> u8 {
    u8::try_from(rng.below(usize::from(bound))).unwrap_or_default()
}

fn slot(rng: &mut Rng, kinds: &[Kind]) -> Slot {
    Slot { kind: rng.pick(kinds).copied().unwrap_or(Kind::Lead), number: small(rng, SLOTS) }
}

fn limit(rng: &mut Rng) -> u8 {
    rng.pick(&[1, 2, 3, 5, 8, 100]).copied().unwrap_or(1)
}

fn op(rng: &mut Rng, kinds: &[Kind]) -> Op {
    let tenant = if rng.percent(75) { 0 } else { small(rng, TENANTS) };
    match rng.below(100) {
        0..60 => Op::Commit(commit(rng, kinds, tenant)),
        60..63 => Op::Again { back: small(rng, 6) },
        63..67 => Op::Wait { minutes: small(rng, 90) },
        67..72 => Op::Get { tenant, slot: slot(rng, kinds), claim: small(rng, CLAIMS), key: small(rng, KEYS) },
        72..88 => Op::List {
            tenant,
            kind: rng.pick(kinds).copied().unwrap_or(Kind::Lead),
            seed: rng.next(),
            descending: rng.percent(50),
            limit: limit(rng),
        },
        88..94 => Op::History {
            tenant,
            slot: slot(rng, kinds),
            seed: rng.next(),
            descending: rng.percent(50),
            limit: limit(rng),
        },
        94..98 => Op::Log { tenant, seed: rng.next(), descending: rng.percent(50), limit: limit(rng) },
        _ => Op::Definitions { tenant },
    }
}

fn commit(rng: &mut Rng, kinds: &[Kind], tenant: u8) -> CommitOp {
    let mut op = CommitOp { tenant, ..CommitOp::default() };
    for _ in 0..=rng.below(3) {
        let how = match rng.below(100) {
            0..30 => How::Create,
            30..50 => How::Person,
            50..65 => How::Machine,
            65..75 => How::Both,
            75..83 => How::Archive,
            _ => How::Move,
        };
        let base = if rng.percent(82) { Base::Current } else { Base::Older(small(rng, 3) + 1) };
        op.writes.push(WriteOp { slot: slot(rng, kinds), how, base, seed: rng.next() });
    }
    if rng.percent(8) {
        op.writes.clear();
    }
    for _ in 0..rng.below(3) {
        if rng.percent(40) {
            op.guards.push(GuardOp { slot: slot(rng, kinds), stale: rng.percent(12) });
        }
    }
    if rng.percent(35) {
        for _ in 0..=rng.below(2) {
            let about = match rng.below(100) {
                0..45 => ClaimMove::Take(slot(rng, kinds)),
                45..55 => ClaimMove::Release(slot(rng, kinds)),
                55..75 => ClaimMove::Free(slot(rng, kinds).kind),
                75..92 => ClaimMove::HandOver(slot(rng, kinds)),
                _ => ClaimMove::Transfer(slot(rng, kinds), small(rng, SLOTS)),
            };
            op.claims.push((small(rng, CLAIMS), about));
        }
    }
    if rng.percent(12) {
        op.key = Some(small(rng, KEYS));
    }
    op
}
