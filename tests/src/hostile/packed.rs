//! Vectors of lanes: what banks upload, and the published sums that every bank derives its next model from.

use std::sync::LazyLock;

use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::params::RoundKind;
use veilsum_protocol::secagg::accumulate::Accumulator;
use veilsum_protocol::secagg::pack::{pack, unpack};
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;

use super::played::{BANKS, PLAYED};
use super::{Decoder, Outcome, decoder};
use crate::stage::consortium;

pub(super) const DECODERS: &[Decoder] = &[
    // Every lane of the sum, and a chunk of the stream.
    decoder("masked upload", upload).costs(16, 64 << 10),
    decoder("sum of statistics", |bytes| sum(RoundKind::Statistics, bytes)),
    decoder("sum of updates", |bytes| sum(RoundKind::Train, bytes)),
    decoder("sum of scores", |bytes| sum(RoundKind::Evaluate, bytes)),
];

struct Scene {
    task: Task,
    plan: Plan,
    /// Before steps of each kind.
    states: Vec<TaskState>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let task = consortium::task("credit");
    let states = PLAYED.states.iter();
    Scene {
        plan: Plan::new(&task),
        task,
        states: states
            .map(|state| TaskState::from_bytes(state).unwrap())
            .collect(),
    }
});

fn packed(ring: Ring, lanes: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    pack(ring, lanes, &mut out);
    out
}

fn upload(bytes: &[u8]) -> Outcome {
    let layout = SCENE.plan.layout(RoundKind::Train);
    let ring = layout.ring(BANKS).unwrap();
    let mut accumulator = Accumulator::new(ring, layout.lanes());
    let added = accumulator.add(bytes);
    Outcome::of(
        bytes,
        added.ok().map(|()| packed(ring, &accumulator.into_lanes())),
    )
}

fn sum(kind: RoundKind, bytes: &[u8]) -> Outcome {
    let layout = SCENE.plan.layout(kind);
    let ring = layout.ring(BANKS).unwrap();
    let mut lanes = Vec::new();
    if unpack(ring, bytes, layout.lanes(), |lane| lanes.push(lane)).is_err() {
        return Outcome::Refused;
    }
    for state in &SCENE.states {
        for survivors in 0..=BANKS {
            drop(state.advance(&SCENE.task, &SCENE.plan, &lanes, survivors));
        }
    }
    Outcome::of(bytes, Some(packed(ring, &lanes)))
}
