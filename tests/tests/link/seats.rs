//! The door while the roster changes: who joins waits before it and is let in, who leaves is shown out, and who stays comes in under its new position.

use std::collections::BTreeMap;
use std::slice;

use time::OffsetDateTime;
use veilsum_client::config::LinkTransport;
use veilsum_client::transport::{DownReason, Event, LinkOptions, Positions};
use veilsum_coordinator::enrol::inspect::verify_client;
use veilsum_coordinator::transport::{Inbound, SessionHandle};
use veilsum_protocol::ids::BankIndex;
use veilsum_protocol::roster::{Roster, RosterEntry};

use crate::scene::{Bank, Scene, Server, bank, over_both, up};

over_both! {
    the_door_follows_the_roster,
}

async fn down(bank: &mut Bank) -> DownReason {
    loop {
        if let Event::Down { reason, .. } = bank.next().await {
            return reason;
        }
    }
}

/// The banks that come in under this roster, until all of `wanted` have; their sessions last as long as these are kept.
async fn seated(
    server: &mut Server,
    roster: &Roster,
    wanted: &[BankIndex],
) -> BTreeMap<BankIndex, SessionHandle<String>> {
    let mut sessions = BTreeMap::new();
    while wanted.iter().any(|bank| !sessions.contains_key(bank)) {
        match server.next().await {
            Inbound::Connected { bank, session } if session.roster == roster.hash() => {
                sessions.insert(bank, session);
            }
            Inbound::Connected { .. } | Inbound::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    sessions
}

async fn the_door_follows_the_roster(way: LinkTransport) {
    let scene = Scene::over(way);
    let mut server = scene.listen();
    let now = OffsetDateTime::now_utc();
    let options = scene.stranger(server.address, now, 5);
    let facts = verify_client(&options.certificate.pem(), &options.ca_pem, now.unix_timestamp()).unwrap();
    let newcomer = RosterEntry {
        index: bank(3),
        name: "newcomer".to_owned(),
        signing_key: [1; 32],
        witness_key: [2; 32],
        tls_key: facts.tls_key,
    };
    let mut joins = {
        server
            .seats
            .expect(slice::from_ref(&newcomer), "the approval of bank-2");
        Bank::start(LinkOptions {
            positions: Positions::of([bank(3)]),
            ..options
        })
    };
    let told = down(&mut joins).await;
    assert_eq!(told, DownReason::NotYet("the approval of bank-2".to_owned()));
    assert!(server.seats.is_here(&newcomer));

    let mut leaves = Bank::start(scene.options(1, server.address));
    let mut stays = Bank::start(LinkOptions {
        positions: Positions::of([bank(1), bank(2)]),
        ..scene.options(2, server.address)
    });
    let before = scene.roster.clone();
    let _before = seated(&mut server, &before, &[bank(1), bank(2)]).await;
    up(&mut leaves).await;
    up(&mut stays).await;

    // The first goes, so that the second becomes the first.
    let members = before.banks().iter().skip(1).cloned().chain([newcomer]);
    let numbered = (1..).zip(members).map(|(position, member)| RosterEntry {
        index: bank(position),
        ..member
    });
    let roster = Roster::new(before.consortium(), numbered.collect()).unwrap();
    server.seats.seat(roster.clone());
    let reason = down(&mut leaves).await;
    assert!(
        matches!(&reason, DownReason::NotInRoster(text) if text.contains("not in the roster that is in force")),
        "{reason}"
    );
    let reason = down(&mut stays).await;
    assert!(
        matches!(&reason, DownReason::Closed(text) if text.contains("another roster is in force")),
        "{reason}"
    );
    let _after = seated(&mut server, &roster, &[bank(1), bank(3)]).await;
    let reason = down(&mut leaves).await;
    assert!(
        matches!(&reason, DownReason::NotInRoster(text) if text.contains("not in the roster of demo")),
        "{reason}"
    );
}
