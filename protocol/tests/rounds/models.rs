//! A coordinator that shows one bank another log, and with it another model.

use std::cell::RefCell;
use std::rc::Rc;

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::entry::{AbortReason, Entry};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::model::state::TaskState;
use veilsum_protocol::round::active::complaints_hash;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::round::context::Context;
use veilsum_protocol::round::coordinator::Phase;
use veilsum_protocol::secagg::pack::{pack, unpack};
use veilsum_protocol::secagg::ring::Ring;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::message::ToCoordinator;
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::{Ready, Trailer};

use crate::consortium::{bank, signing_key};
use crate::ledger::Rewrite;
use crate::node::Step;
use crate::world::World;

/// The log of bank 1: another sum of the first step, the state that follows from it, and openings that name that state.
fn other_sum(world: &World) -> Rewrite {
    let (blobs, task) = (world.office.blobs.clone(), world.office.task.clone());
    let other: Rc<RefCell<Option<(Digest, Digest)>>> = Rc::default();
    Box::new(move |entry| match entry {
        Entry::Result(result) if other.borrow().is_none() => {
            let plan = Plan::new(&task);
            let ring = Ring::for_sum(5, 16).unwrap();
            let mut sum = Vec::new();
            let lanes = plan.layout(result.kind).lanes();
            let packed = blobs.borrow()[&result.sum].clone();
            unpack(ring, &packed, lanes, |lane| sum.push(lane)).unwrap();
            let start = TaskState::initial(&task);
            let found = (0..lanes).find_map(|lane| {
                let mut changed = sum.clone();
                changed[lane] += 1;
                let (next, _) = start.advance(&task, &plan, &changed, result.survivors).ok()?;
                Some((changed, next))
            });
            let (changed, next) = found.expect("some lane may be larger");
            let mut packed = Vec::new();
            pack(ring, &changed, &mut packed);
            let mut lie = result.clone();
            (lie.sum, lie.next_state) = (Digest::of(&packed), next.hash());
            blobs.borrow_mut().insert(lie.sum, packed);
            let lie = Entry::Result(lie);
            *other.borrow_mut() = Some((next.hash(), lie.hash()));
            Some(vec![lie])
        }
        Entry::RoundOpen(open) => {
            let (state, last_result) = (*other.borrow())?;
            let mut open = open.clone();
            (open.state, open.last_result) = (state, last_result);
            Some(vec![Entry::RoundOpen(open)])
        }
        _ => None,
    })
}

/// Bank 1 has derived another model than the others; the round of the next step is open for all.
fn with_two_models() -> World {
    let mut world = World::new(5, 20);
    let rewrite = other_sum(&world);
    world.office.log.fork(bank(1), rewrite);
    world.office.witnessing.stolen = true;
    assert!(world.round().end.is_ok());
    let task = world.office.task.hash();
    assert_ne!(
        world.banks[&bank(1)].state(&task),
        world.banks[&bank(2)].state(&task)
    );
    world.office.rejections.clear();
    world.start_round();
    world.run(|world| world.answered(1, world.office.machine.as_ref().unwrap().round(), Step::Ready));
    // Its `Ready` names another opening. This coordinator does not mind.
    let machine = world.office.machine.as_ref().unwrap();
    let ready = Ready {
        round: machine.round(),
        open: machine.opened().unwrap().hash(),
        complaints: complaints_hash(&[]),
        bank: bank(1),
    };
    let message = ToCoordinator::Ready {
        statement: Signed::sign(&signing_key(bank(1)), ready),
        complaints: Vec::new(),
    };
    let now = world.now;
    assert!(world.office.receive(now, bank(1), message).is_empty());
    world
}

fn checks_of_bank_1(world: &World) -> Vec<Check> {
    let of = world
        .office
        .rejections
        .iter()
        .filter(|(from, _)| *from == bank(1));
    of.map(|(_, rejection)| rejection.check).collect()
}

#[test]
fn an_upload_under_another_model_does_not_fit() {
    let mut world = with_two_models();
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    let outcome = world.office.outcome.clone().unwrap();
    assert_eq!(outcome.cohort, world.all());
    assert_eq!(outcome.survivors, [2, 3, 4, 5].map(bank));
    assert!(world.answered(1, outcome.round, Step::Upload));
    assert_eq!(checks_of_bank_1(&world), [Check::Upload]);
    // Without it the sum is right.
    assert_eq!(outcome.sum, world.expected_sum(&outcome));
}

#[test]
fn a_vector_under_another_model_makes_the_sum_noise() {
    let mut world = with_two_models();
    world.run(|world| world.office.machine.as_ref().unwrap().phase() == Phase::Collect);
    let round = world.office.machine.as_ref().unwrap().round();
    world.work_ms.insert(bank(2), 1_000);
    world.run(|world| world.answered(1, round, Step::Upload));
    // This coordinator takes the vector of bank 1 for one under the context of the others.
    let machine = world.office.machine.as_ref().unwrap();
    let context = Context::of(machine.opened().unwrap(), machine.cohort());
    let vector = world.banks[&bank(1)].uploaded[&round].clone();
    let trailer = Trailer {
        context: context.digest(),
        bank: bank(1),
        length: vector.len() as u64,
        hash: Digest::of(&vector),
    };
    let trailer = Signed::sign(&signing_key(bank(1)), trailer).to_bytes();
    let now = world.now;
    assert!(world.office.upload(now, bank(1), &trailer, vector).is_empty());
    world.run(|world| world.office.outcome.is_some());
    world.settle();
    let outcome = world.office.outcome.clone().unwrap();
    assert_eq!(outcome.survivors, world.all());
    assert!(
        world.answered(2, round, Step::Release),
        "all secrets of the others' context are there"
    );
    assert_eq!(outcome.end, Err(AbortReason::BadSum));
    // Bank 1 confirmed a list of its own context, so no certificate of the others' is one to it.
    assert_eq!(world.refused(1), [Check::Certificate]);
    assert!(!world.answered(1, round, Step::Release));
}
