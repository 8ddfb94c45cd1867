//! The bank's own account of what left it, beside what a tap in its line saw.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use veilsum_client::egress::{Account, Ledger};
use veilsum_client::participant::Home;
use veilsum_examples::demo::Programs;
use veilsum_protocol::wire::frame::{HEADER, body_length, decode, frame_bytes};
use veilsum_protocol::wire::message::{MESSAGE_LIMIT, ToCoordinator};
use veilsum_protocol::wire::outbound::{Departure, OutboundKind};
use veilsum_protocol::wire::stream::{STREAM_FRAME_LIMIT, StreamOpen, TRAILER_LIMIT};

use crate::scene::{COORDINATOR, Material, PATIENCE, Scene, TAPPED};
use crate::tap::stream_in;

const MATERIAL: Material = Material {
    schema: "version = 1\nlabel = \"late\"\n[[column]]\nname = \"income\"\ntype = \"number\"\nmin = 0\nmax = 100000\n",
    model: "family = \"mlp\"\nhidden = [8]\n[aggregation]\nmax_weight = 64",
    table: |bank| {
        let rows = (0..40).map(|row| format!("{},{}\n", 1000 * bank + row * 37, u32::from(row % 3 == 0)));
        std::iter::once("income,late\n".to_owned()).chain(rows).collect()
    },
    trace: "info",
};

type Counts = BTreeMap<String, (u64, u64)>;

fn add(counts: &mut Counts, kind: OutboundKind, bytes: usize) {
    let count = counts.entry(kind.name().to_owned()).or_default();
    *count = (count.0 + 1, count.1 + bytes as u64);
}

/// The first frame of a stream, and what follows.
fn frame(stream: &[u8], limit: usize) -> Option<(&[u8], &[u8])> {
    let header: [u8; HEADER] = stream.get(..HEADER)?.try_into().unwrap();
    let end = HEADER + body_length(header, limit).unwrap();
    Some((stream.get(HEADER..end)?, stream.get(end..)?))
}

/// What a stream to the coordinator held, told apart by the protocol alone.
fn sorted(stream: &[u8], counts: &mut Counts) {
    let Some((body, mut rest)) = frame(stream, STREAM_FRAME_LIMIT) else {
        return;
    };
    let open: StreamOpen = decode(body, STREAM_FRAME_LIMIT).unwrap();
    add(counts, Departure::from(&open).kind, HEADER + body.len());
    match open {
        StreamOpen::Control => {
            while let Some((body, next)) = frame(rest, MESSAGE_LIMIT) {
                let message: ToCoordinator = decode(body, MESSAGE_LIMIT).unwrap();
                add(counts, Departure::from(&message).kind, HEADER + body.len());
                rest = next;
            }
        }
        StreamOpen::Upload { .. } => {
            // A frame behind the vector; the vector is what is not of it.
            let trailer = (HEADER..=TRAILER_LIMIT + HEADER)
                .filter_map(|length| rest.split_at_checked(rest.len().checked_sub(length)?))
                .find(|(_, tail)| {
                    frame_bytes(&tail[HEADER..], TRAILER_LIMIT).is_ok_and(|whole| whole == *tail)
                });
            if let Some((vector, trailer)) = trailer {
                add(counts, OutboundKind::MaskedVector, vector.len());
                add(counts, OutboundKind::Trailer, trailer.len());
                rest = &[];
            }
        }
        StreamOpen::Fetch { .. } => {}
    }
    assert!(rest.is_empty(), "{} bytes of no kind", rest.len());
}

fn tapped(scene: &Scene) -> (Counts, u64) {
    let mut counts = Counts::new();
    let mut bytes = 0;
    for records in scene.tap.heard() {
        let stream = stream_in(&records);
        bytes += stream.len() as u64;
        sorted(&stream, &mut counts);
    }
    (counts, bytes)
}

fn counted(account: &Account) -> Counts {
    let kinds = account.totals.kinds().into_iter();
    kinds
        .map(|(kind, count)| (kind.to_owned(), (count.times, count.bytes)))
        .collect()
}

/// Until both are the same: what is on its way when one is looked at is in the other a moment later.
fn agree(scene: &Scene, what: &str) -> Account {
    let folder = scene.consortium.bank_folder(TAPPED).join("state");
    let until = Instant::now() + PATIENCE;
    loop {
        let account = Ledger::read(&Home::egress(&folder)).unwrap();
        let (sorted, bytes) = tapped(scene);
        if account.totals.sum().bytes == bytes && counted(&account) == sorted {
            return account;
        }
        assert!(
            Instant::now() < until,
            "{what}: the bank says {:?}, {bytes} bytes on the line are {sorted:?}",
            counted(&account)
        );
        thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn every_byte_on_the_line_is_in_the_banks_account_by_its_kind() {
    let scene = Scene::start(&MATERIAL);
    scene.rounds_go_on("rounds that are counted");
    let pause = Command::new(Programs::beside_this_one().unwrap().coordinator)
        .args(["task", "pause", "--dir", COORDINATOR, "long"])
        .current_dir(&scene.consortium.setup().dir)
        .output()
        .unwrap();
    assert!(
        pause.status.success(),
        "{}",
        String::from_utf8_lossy(&pause.stderr)
    );
    scene
        .consortium
        .wait_for("the end of the open round", PATIENCE, |status| {
            status.round.is_none()
        })
        .unwrap();
    let account = agree(&scene, "after rounds");
    let kinds = account.totals.kinds();
    for kind in [
        OutboundKind::MaskedVector,
        OutboundKind::Trailer,
        OutboundKind::Bundle,
        OutboundKind::Ready,
        OutboundKind::Confirm,
        OutboundKind::Release,
        OutboundKind::Derived,
        OutboundKind::Cosignature,
        OutboundKind::Approval,
        OutboundKind::EpochKeys,
        OutboundKind::Hello,
        OutboundKind::StreamHead,
        OutboundKind::FetchRequest,
    ] {
        assert!(kinds.contains_key(kind.name()), "no {} in {kinds:?}", kind.name());
    }
    // Rounds have their task, and the vector's round is known.
    let task = scene.task.to_hex();
    let vector = account
        .recent
        .iter()
        .rev()
        .find(|record| record.kind == OutboundKind::MaskedVector.name())
        .unwrap();
    assert_eq!(
        (vector.task.as_deref(), vector.round.is_some()),
        (Some(task.as_str()), true)
    );

    // And a daemon that is killed and started again goes on with the account. What it was about to say when it was killed it may have counted
    // and not sent; at rest there is nothing.
    scene.consortium.kill(TAPPED);
    scene.start_bank(TAPPED);
    let before = account.totals.sum().bytes;
    scene
        .consortium
        .wait_for("the bank to be back", PATIENCE, |status| {
            status.banks.iter().all(|bank| bank.connected)
        })
        .unwrap();
    let again = agree(&scene, "after a kill");
    assert!(again.totals.sum().bytes > before);
    scene.finish();
}
