//! Good bytes for every decoder.

use std::collections::BTreeSet;

use serde_json::Value;
use veilsum_protocol::consortium::{CONSORTIUM_VERSION, Consortium, ConsortiumBank};
use veilsum_protocol::crypto::agreement::AgreementKeys;
use veilsum_protocol::crypto::entropy::SeededEntropy;
use veilsum_protocol::crypto::secret::Secret;
use veilsum_protocol::enrolment::{
    ANSWER_LIMIT, Admission, Answer, Ask, EnrolmentRequest, Greeting, Invitation, Party, REQUEST_VERSION,
    ReaderRequest, Refusal, RefusalReason, Renewal, Role, proof_message,
};
use veilsum_protocol::ids::{Digest, Round, Timestamp};
use veilsum_protocol::log::{Tile, TileKind};
use veilsum_protocol::model::plan::Plan;
use veilsum_protocol::round::params::{RoundKind, Thresholds};
use veilsum_protocol::task::Task;
use veilsum_protocol::wire::canonical::Canonical;
use veilsum_protocol::wire::frame::{self, frame_bytes};
use veilsum_protocol::wire::statement::SurvivorList;
use veilsum_protocol::wire::stream::{
    CloseCode, ControlReply, FetchReply, Rejected, STREAM_FRAME_LIMIT, StreamOpen, UploadReply,
};

use super::played::{BANKS, PLAYED};
use super::{Decoder, Outcome, sealed};
use crate::stage::consortium::{LOG, bank, log_key, roster, signing_key, task, witness_key};

/// The frozen bytes of the protocol.
const VECTORS: [&str; 6] = [
    include_str!("../../../protocol/tests/vectors/v1/bundle.json"),
    include_str!("../../../protocol/tests/vectors/v1/derivations.json"),
    include_str!("../../../protocol/tests/vectors/v1/entries.json"),
    include_str!("../../../protocol/tests/vectors/v1/frames.json"),
    include_str!("../../../protocol/tests/vectors/v1/masks.json"),
    include_str!("../../../protocol/tests/vectors/v1/statements.json"),
];

/// Every option that the task of the stage leaves out.
const OTHER_TASK: &str = r#"
name = "loans"
rounds = 12
seed = 9
archive_rounds = 4

[schema]
version = 3
label = "default"
leave_out = ["ID"]
missing = ["", "NA"]

[[schema.column]]
name = "region"
type = "category"
values = ["north", "south\\\"", "west\u00e9"]
other = "bucket"

[[schema.column]]
name = "income"
type = "number"
min = 0
max = 1e7
scale = "log"
outside = "clip"
when_missing = "mean"

[[schema.column]]
name = "age"
type = "integer"
min = 18
max = 120

[model]
family = "mlp"
hidden = [8, 4]
activation = "tanh"

[training]
optimiser = "momentum"
momentum = 0.9
learning_rate = 0.05
weight_decay = 0.001
batch_size = 32
local_epochs = 2
fedprox_mu = 0.01
class_weights = [1.0, 2.5]

[aggregation]
optimiser = "fedadam"
learning_rate = 0.01
beta1 = 0.9
beta2 = 0.99
tau = 1e-3
weighting = "equal"

[encoding]
bits = 12
range = 0.5
clip_norm = 4

[evaluation]
hold_out = 0.25
bins = 16

[deadlines]
ready_s = 900
attempts = 2
"#;

/// All of it, each once, in a fixed order.
pub fn all() -> Vec<Vec<u8>> {
    let mut bytes: BTreeSet<Vec<u8>> = PLAYED.bytes.clone();
    for file in VECTORS {
        note_strings(&serde_json::from_str(file).unwrap(), &mut bytes);
    }
    bytes.extend(sealed::good());
    bytes.extend(streams());
    bytes.extend(enrolment());
    bytes.extend(texts().into_iter().map(String::into_bytes));
    bytes.extend(small());
    bytes.into_iter().collect()
}

/// Those of `corpus` that a decoder reads, the shortest first.
pub fn read_by<'a>(decoder: &Decoder, corpus: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
    let mut read: Vec<&[u8]> = corpus
        .iter()
        .map(Vec::as_slice)
        .filter(|bytes| (decoder.run)(bytes) == Outcome::Read)
        .collect();
    read.sort_by_key(|bytes| bytes.len());
    read
}

/// Every string of a file of vectors that is hex.
fn note_strings(value: &Value, bytes: &mut BTreeSet<Vec<u8>>) {
    match value {
        Value::String(text) => bytes.extend(hex::decode(text)),
        Value::Array(items) => items.iter().for_each(|item| note_strings(item, bytes)),
        Value::Object(fields) => fields.values().for_each(|field| note_strings(field, bytes)),
        _ => {}
    }
}

fn streams() -> Vec<Vec<u8>> {
    fn body(message: &impl serde::Serialize) -> Vec<u8> {
        frame::encode(message, STREAM_FRAME_LIMIT).unwrap()
    }
    let hash = Digest([7; 32]);
    let round = Round(8);
    let bodies = [
        body(&StreamOpen::Control),
        body(&StreamOpen::Upload {
            round,
            length: 70_000,
        }),
        body(&StreamOpen::Fetch { hash }),
        body(&ControlReply::Admitted {
            bank: bank(2),
            streams: 4,
        }),
        body(&UploadReply::From { offset: 7 }),
        body(&UploadReply::Stored),
        body(&UploadReply::Rejected(Rejected::new(1, "found 1, expected 2"))),
        body(&FetchReply::Blob { length: 7 }),
        body(&FetchReply::NoSuchBlob),
    ];
    let frames = bodies.iter().map(|body| frame_bytes(body, STREAM_FRAME_LIMIT));
    let frames: Vec<Vec<u8>> = frames.map(Result::unwrap).collect();
    bodies.into_iter().chain(frames).collect()
}

/// What is said when somebody asks to be enrolled.
fn enrolment() -> Vec<Vec<u8>> {
    fn body(message: &impl serde::Serialize) -> Vec<u8> {
        frame::encode(message, ANSWER_LIMIT).unwrap()
    }
    let ask = |party, name: &str| Ask {
        party,
        name: name.to_owned(),
        secret: Secret::from_bytes([5; 32]),
        request: "version = 1\n".to_owned(),
    };
    let admitted = |consortium: Option<&str>| {
        Answer::Admitted(Admission {
            certificate: "PEM".to_owned(),
            consortium: consortium.map(str::to_owned),
            waiting_for: "the roster".to_owned(),
        })
    };
    let invitation = Invitation {
        consortium: LOG.to_owned(),
        address: "localhost:7443".to_owned(),
        server_name: "localhost".to_owned(),
        party: Party::Bank,
        name: "bank-a".to_owned(),
        authority: Digest([7; 32]),
        secret: Secret::from_bytes([9; 32]),
        expires: Timestamp(1_800_000_000),
    };
    vec![
        body(&Greeting {
            time: Timestamp(1_800_000_000),
        }),
        body(&ask(Party::Bank, "bank-a")),
        body(&ask(Party::Auditor, "firm")),
        body(&Renewal {
            replaces: Digest([7; 32]),
        }),
        body(&Answer::Pending {
            waiting_for: "approval".to_owned(),
        }),
        body(&admitted(None)),
        body(&admitted(Some("version = 1"))),
        body(&Answer::Refused(Refusal::new(RefusalReason::Used, "other keys"))),
        invitation.to_text().as_bytes().to_vec(),
    ]
}

fn texts() -> Vec<String> {
    let other = Task::parse(OTHER_TASK).unwrap();
    let roster = roster(BANKS);
    let consortium = Consortium {
        version: CONSORTIUM_VERSION,
        name: LOG.to_owned(),
        address: "localhost:7443".to_owned(),
        server_name: "localhost".to_owned(),
        log_key: log_key(),
        ca_pem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        banks: roster.banks().iter().map(ConsortiumBank::from).collect(),
    };
    let (key, witness) = (signing_key(bank(1)), witness_key(bank(1)));
    let csr = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    let [signing_public, witness_public] = [&key, &witness].map(|key| key.verifying_key().0);
    let message = proof_message("bank-a", &signing_public, &witness_public, csr.as_bytes());
    let request = EnrolmentRequest {
        version: REQUEST_VERSION,
        name: "bank-a".to_owned(),
        signing_public_key: hex::encode(signing_public),
        witness_public_key: hex::encode(witness_public),
        proof: hex::encode(key.sign_bytes(&message).0),
        witness_proof: hex::encode(witness.sign_bytes(&message).0),
        csr: csr.to_owned(),
    };
    let auditor = ReaderRequest {
        version: REQUEST_VERSION,
        role: Role::Auditor,
        name: "firm".to_owned(),
        csr: csr.to_owned(),
    };
    let tile = |kind, index, width| Tile::new(kind, index, width).unwrap().path();
    vec![
        OTHER_TASK.to_owned(),
        other.canonical_text(),
        task("credit").canonical_text(),
        other.schema.canonical_text(),
        task("credit").schema.canonical_text(),
        consortium.to_toml().unwrap(),
        toml::to_string(&request).unwrap(),
        toml::to_string(&auditor).unwrap(),
        log_key().to_string(),
        tile(TileKind::Entries, 0, 256),
        tile(TileKind::Entries, 1_234_067, 112),
        tile(TileKind::Hashes(1), 17, 3),
        Digest([0xab; 32]).to_hex(),
    ]
}

fn small() -> Vec<Vec<u8>> {
    let plan = Plan::new(&task("credit"));
    let statement = SurvivorList {
        context: Digest([3; 32]),
        survivors: Digest([4; 32]),
    };
    // RFC 8410, section 7: an Ed25519 key without its public half.
    let pkcs8 = [
        hex::decode("302e020100300506032b657004220420").unwrap(),
        vec![9; 32],
    ];
    let mut small = vec![
        statement.to_bytes(),
        Thresholds::with_most_colluders(BANKS).unwrap().to_bytes(),
        u64::from(CloseCode::TooSlow.number()).to_be_bytes().to_vec(),
        AgreementKeys::generate(&mut SeededEntropy::new(2))
            .export()
            .to_vec(),
        pkcs8.concat(),
    ];
    small.extend([RoundKind::Statistics, RoundKind::Train].map(|kind| plan.layout(kind).to_bytes()));
    small
}
