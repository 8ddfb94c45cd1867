//! Banks that speak another version of the messages.

use tokio::sync::mpsc;
use veilsum_coordinator::engine::driver::Input;
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::round::checks::Check;
use veilsum_protocol::wire::message::{ToBank, ToCoordinator};

use crate::bank::Wire;
use crate::world::World;

/// A scripted bank that says wire version 2 is told both numbers and is not greeted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c_708_a_bank_of_another_wire_version_is_told_both_numbers() {
    let world = World::new(3);
    let office = world.start();
    let bank = BankIndex::new(1).unwrap();
    let (wire, mut heard) = mpsc::unbounded_channel();
    office
        .inputs
        .send(Input::Connected(
            bank,
            1,
            Box::new(Wire(wire, world.roster().hash())),
        ))
        .await
        .unwrap();
    let hello = ToCoordinator::Hello {
        wire: 2,
        software: "a bank of tomorrow".to_owned(),
        log_size: 0,
        armed: Vec::new(),
    };
    office
        .inputs
        .send(Input::Message(bank, 1, Box::new(hello), Box::new(())))
        .await
        .unwrap();
    match heard.recv().await.unwrap() {
        ToBank::Rejected(rejection) => {
            assert_eq!(rejection.check, Check::Version);
            let said = rejection.to_string();
            assert!(
                said.contains("C-708") && said.contains("speaks version 2"),
                "{said}"
            );
            assert!(said.contains("version 1"), "{said}");
        }
        other => panic!("{other:?}"),
    }
    office.stop().await;
}
