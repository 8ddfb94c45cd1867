//! Each attack in turn, over both ways, on a coordinator whose banks train.

use std::thread;
use std::time::{Duration, Instant};

use veilsum_link::Transport;

use crate::replays::{self, Recording};
use crate::scene::{COORDINATOR, Material, PATIENCE, Scene, TAPPED};
use crate::{handshakes, streams};

const MATERIAL: Material = Material {
    schema: "version = 1\nlabel = \"late\"\n[[column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 1000\n",
    model: "family = \"logistic\"",
    table,
    trace: "info",
};

fn table(_: usize) -> String {
    let rows = (0..60).map(|row| {
        let income = row * 37 % 1000;
        format!("{income},{}\n", u32::from(income < 300))
    });
    std::iter::once("income,late\n".to_owned()).chain(rows).collect()
}

#[test]
fn a_coordinator_under_attack_goes_on_with_its_rounds() {
    let scene = Scene::start(&MATERIAL);
    // What the bank says from now on has the keys that are in force, as a replay needs it.
    scene.consortium.kill(TAPPED);
    let from = scene.tap.heard().len();
    scene.start_bank(TAPPED);
    scene.everybody_is_in();
    // A result is published before the bank has derived the state and said so.
    let began = Instant::now();
    let recording = loop {
        match Recording::of(&scene.tap, from) {
            Ok(recording) => break recording,
            Err(missing) => assert!(began.elapsed() < PATIENCE, "the bank did not say: {missing}"),
        }
        thread::park_timeout(Duration::from_millis(5));
    };
    scene.consortium.kill(TAPPED);

    let (call, task) = (scene.call.clone(), scene.task);
    let (message, places) = (scene.limits.message_bytes, scene.limits.max_handshakes);
    let per_bank = usize::try_from(scene.limits.streams).unwrap();
    scene.under_attack("TCP connections that say nothing", 2 * places, |hits| {
        handshakes::half_open(call.address, 3 * places, hits)
    });
    scene.under_attack("TLS greetings byte by byte", places, |hits| {
        handshakes::slow_greetings(call.clone(), places, hits)
    });
    scene.under_attack("broken and lonely datagrams", 10_000, |hits| {
        handshakes::datagrams(call.clone(), hits)
    });
    for way in [Transport::Quic, Transport::Tcp] {
        scene.under_attack(&format!("frames that are none over {way}"), 7, |hits| {
            streams::bad_frames(way, call.clone(), message, hits)
        });
        scene.under_attack(&format!("frames without an end over {way}"), 3, |hits| {
            streams::unfinished_frames(way, call.clone(), message, hits)
        });
        scene.under_attack(&format!("the longest messages over {way}"), 30, |hits| {
            streams::long_messages(way, call.clone(), message, hits)
        });
        scene.under_attack(&format!("a bank that hears nothing over {way}"), 8, |hits| {
            streams::deaf(way, call.clone(), message, hits)
        });
        scene.under_attack(&format!("streams without number over {way}"), 200, |hits| {
            streams::many_streams(way, call.clone(), task, per_bank, hits)
        });
        scene.under_attack(&format!("streams that say nothing over {way}"), 1, |hits| {
            streams::mute_streams(way, call.clone(), per_bank, hits)
        });
        scene.under_attack(&format!("replays over {way}"), 2, |hits| {
            replays::again(way, call.clone(), recording.clone(), message, hits)
        });
        scene.under_attack(&format!("reconnections over {way}"), 200, |hits| {
            streams::reconnections(way, call.clone(), hits)
        });
    }
    // The bank itself comes back as if nothing had been done in its name.
    scene.start_bank(TAPPED);
    scene.everybody_is_in();
    assert_eq!(scene.consortium.ended(COORDINATOR), None);
    scene.finish();
}
