//! Killed in the middle of a call.

use crate::scene::{COORDINATOR, DISK, NETWORK, STRUCK, Scene};

/// Every number, or a selection that is denser at the start, where one call follows the other.
fn numbers(selection: &[usize]) -> Vec<usize> {
    if std::env::var_os("VEILSUM_EVERY_CALL").is_some() {
        (1..=400).collect()
    } else {
        selection.to_vec()
    }
}

#[test]
fn a_coordinator_that_is_killed_at_a_durable_write_goes_on() {
    let mut scene = Scene::start();
    scene.strike_all(
        COORDINATOR,
        DISK,
        numbers(&[1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 21, 25, 30]),
    );
    scene.finish(8);
}

#[test]
fn a_coordinator_that_is_killed_at_a_message_goes_on() {
    let mut scene = Scene::start();
    scene.strike_all(COORDINATOR, NETWORK, numbers(&[1, 2, 4, 7, 11, 16, 24, 36]));
    scene.finish(4);
}

#[test]
fn a_bank_that_is_killed_at_a_durable_write_goes_on() {
    let mut scene = Scene::start();
    scene.strike_all(
        STRUCK,
        DISK,
        numbers(&[1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 21, 25, 30]),
    );
    scene.finish(8);
}

#[test]
fn a_bank_that_is_killed_at_a_message_goes_on() {
    let mut scene = Scene::start();
    scene.strike_all(STRUCK, NETWORK, numbers(&[1, 2, 4, 7, 11, 16, 24, 36]));
    scene.finish(4);
}
