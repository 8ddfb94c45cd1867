#![allow(clippy::unwrap_used)]
use super::*;
use crate::crypto::entropy::SeededEntropy;
use crate::epoch::coordinator::{EpochAction, EpochCoordinator};
use crate::ids::Round;
use crate::log::entry::Entry;
use crate::roster::RosterEntry;
use crate::wire::message::ToBank;

fn bank(position: u16) -> BankIndex {
    BankIndex::new(position).unwrap()
}

fn signing_key(bank: BankIndex) -> SigningKey {
    SigningKey::generate(&mut SeededEntropy::new(u64::from(bank.get())))
}

/// Three banks and a coordinator; messages go from hand to hand.
struct Setting {
    roster: Roster,
    entropy: SeededEntropy,
    banks: BTreeMap<BankIndex, EpochParticipant>,
}

impl Setting {
    fn new() -> Self {
        let entry = |position| RosterEntry {
            index: bank(position),
            name: format!("bank-{position}"),
            signing_key: signing_key(bank(position)).verifying_key().0,
            witness_key: [position as u8 + 200; 32],
            tls_key: Digest::of(&[position as u8]),
        };
        Self {
            roster: Roster::new("demo", (1..=3).map(entry).collect()).unwrap(),
            entropy: SeededEntropy::new(9),
            banks: (1..=3).map(|i| (bank(i), EpochParticipant::default())).collect(),
        }
    }

    fn step(
        &mut self,
        of: BankIndex,
        act: impl FnOnce(
            &mut EpochParticipant,
            &Identity<'_>,
            &mut SeededEntropy,
        ) -> Result<Vec<ToCoordinator>, Rejection>,
    ) -> Result<Vec<ToCoordinator>, Check> {
        let me = Identity {
            bank: of,
            roster: &self.roster,
            roster_hash: self.roster.hash(),
            key: &signing_key(of),
        };
        act(self.banks.get_mut(&of).unwrap(), &me, &mut self.entropy).map_err(|rejection| rejection.check)
    }

    fn receive(&mut self, to: BankIndex, message: ToBank) -> Result<Vec<ToCoordinator>, Check> {
        self.step(to, |bank, me, entropy| match message {
            ToBank::EpochAsk { epoch } => bank.ask(me, epoch, entropy),
            ToBank::Directory(directory) => {
                let hash = directory.hash();
                bank.directory(me, *directory, hash, entropy)
            }
            ToBank::PairCiphertexts { epoch, ciphertexts } => bank.ciphertexts(me, epoch, &ciphertexts),
            ToBank::PairConfirmations { epoch, confirmations } => {
                bank.confirmations(me, epoch, &confirmations)
            }
            other => panic!("not of the set-up: {other:?}"),
        })
    }

    /// Sets up an epoch with a coordinator that may change what it sends; gives the first check that failed.
    fn set_up(
        &mut self,
        epoch: Epoch,
        mut change: impl FnMut(BankIndex, &mut ToBank),
    ) -> Result<bool, Check> {
        let mut coordinator = EpochCoordinator::new(self.roster.clone(), epoch, Round(1));
        let mut actions: Vec<EpochAction> = (1..=3)
            .flat_map(|position| coordinator.connected(bank(position)))
            .collect();
        let mut armed = false;
        while !actions.is_empty() {
            let mut next = Vec::new();
            for action in actions {
                match action {
                    EpochAction::Log(entry) => assert!(matches!(entry, Entry::KeyDirectory { .. })),
                    EpochAction::Armed(_) => armed = true,
                    EpochAction::Send(to, mut message) => {
                        change(to, &mut message);
                        for answer in self.receive(to, message)? {
                            next.extend(
                                coordinator
                                    .handle(to, answer)
                                    .map_err(|rejection| rejection.check)?,
                            );
                        }
                    }
                }
            }
            actions = next;
        }
        Ok(armed)
    }

    fn epochs(&self) -> Vec<Option<Epoch>> {
        self.banks
            .values()
            .map(|bank| bank.armed().map(Keyring::epoch))
            .collect()
    }
}

#[test]
fn everybody_is_armed_and_the_next_epoch_replaces_the_last() {
    let mut setting = Setting::new();
    for epoch in [Epoch(1), Epoch(5)] {
        assert_eq!(setting.set_up(epoch, |_, _| ()), Ok(true));
        assert_eq!(setting.epochs(), [Some(epoch); 3]);
    }
}

#[test]
fn the_keys_of_an_epoch_stay_until_a_round_runs_under_a_newer_one() {
    let mut setting = Setting::new();
    setting.set_up(Epoch(1), |_, _| ()).unwrap();
    setting.set_up(Epoch(2), |_, _| ()).unwrap();
    let one = setting.banks.get_mut(&bank(1)).unwrap();
    let mut writer = Writer::domain("epochs");
    one.write(&mut writer);
    let bytes = writer.finish();
    *one = EpochParticipant::read(&mut Reader::domain(&bytes, "epochs").unwrap()).unwrap();

    assert_eq!(one.epochs(), [Epoch(1), Epoch(2)]);
    assert!(!one.serves(Epoch(1)) && !one.serves(Epoch(3)));
    assert_eq!(
        one.epochs(),
        [Epoch(1), Epoch(2)],
        "a round under the last one, or without this bank"
    );
    let base = one.keyring_mut(Epoch(1)).unwrap().take_round(bank(1), Round(1));
    assert!(base.is_some());
    assert!(one.serves(Epoch(2)));
    assert_eq!(one.epochs(), [Epoch(2)]);
    assert!(one.keyring(Epoch(1)).is_none() && one.keyring_mut(Epoch(1)).is_none());
    assert!(!one.serves(Epoch(2)));
}

#[test]
fn few_keyrings_pile_up_and_the_first_is_kept() {
    let mut setting = Setting::new();
    for epoch in 1..=8 {
        setting.set_up(Epoch(epoch), |_, _| ()).unwrap();
    }
    let epochs = setting.banks[&bank(1)].epochs();
    assert_eq!(epochs, [1, 6, 7, 8].map(Epoch));
}

#[test]
fn c_106_an_epoch_that_is_not_newer_and_the_armed_one_again() {
    let mut setting = Setting::new();
    setting.set_up(Epoch(4), |_, _| ()).unwrap();
    for old in [Epoch(0), Epoch(3)] {
        assert_eq!(
            setting.receive(bank(1), ToBank::EpochAsk { epoch: old }),
            Err(Check::EpochNotNew)
        );
    }
    let again = setting.receive(bank(1), ToBank::EpochAsk { epoch: Epoch(4) });
    assert_eq!(again, Ok(vec![ToCoordinator::Armed { epoch: Epoch(4) }]));
    // Asked for a newer one, the armed one is an old one.
    setting
        .receive(bank(1), ToBank::EpochAsk { epoch: Epoch(6) })
        .unwrap();
    assert_eq!(
        setting.receive(bank(1), ToBank::EpochAsk { epoch: Epoch(4) }),
        Err(Check::EpochNotNew)
    );
    assert_eq!(
        setting.epochs()[0],
        Some(Epoch(4)),
        "which serves until the new one is armed"
    );
}

#[test]
fn the_same_request_gives_the_same_keys() {
    let mut setting = Setting::new();
    let ask = || ToBank::EpochAsk { epoch: Epoch(1) };
    let first = setting.receive(bank(1), ask()).unwrap();
    assert_eq!(setting.receive(bank(1), ask()).unwrap(), first);
}

#[test]
fn c_103_own_keys_that_somebody_else_made() {
    let mut setting = Setting::new();
    let result = setting.set_up(Epoch(1), |to, message| {
        if let (ToBank::Directory(directory), 2) = (message, to.get()) {
            // Signed with bank 2's own key, as if that had been stolen.
            let mut keys = directory.keys[1].claim().clone();
            keys.public = AgreementKeys::generate(&mut SeededEntropy::new(66)).public();
            directory.keys[1] = Signed::sign(&signing_key(to), keys);
        }
    });
    assert_eq!(result, Err(Check::OwnKeys));
    assert_eq!(setting.epochs(), [None; 3]);
}

#[test]
fn c_102_a_directory_that_the_log_does_not_name() {
    let mut setting = Setting::new();
    let mut found = None;
    let _ = setting.set_up(Epoch(1), |_, message| {
        if let ToBank::Directory(directory) = message {
            found = Some(directory.as_ref().clone());
        }
    });
    let mut again = Setting::new();
    again
        .receive(bank(1), ToBank::EpochAsk { epoch: Epoch(1) })
        .unwrap();
    let refused = again.step(bank(1), |bank, me, entropy| {
        bank.directory(me, found.unwrap(), Digest([0; 32]), entropy)
    });
    assert_eq!(refused, Err(Check::Directory));
}

#[test]
fn c_104_and_c_105_changed_ciphertexts_and_confirmations() {
    let changed = |change: fn(&mut ToBank)| {
        let mut setting = Setting::new();
        let result = setting.set_up(Epoch(1), |_, message| change(message));
        assert_ne!(setting.epochs(), [Some(Epoch(1)); 3]);
        result
    };
    let short = changed(|message| {
        if let ToBank::PairCiphertexts { ciphertexts, .. } = message {
            ciphertexts
                .iter_mut()
                .for_each(|(_, ciphertext)| ciphertext.truncate(9));
        }
    });
    assert_eq!(short, Err(Check::PeerKeys));
    // Another secret comes out (implicit rejection), and the confirmations show it.
    let flipped = changed(|message| {
        if let ToBank::PairCiphertexts { ciphertexts, .. } = message {
            ciphertexts
                .iter_mut()
                .for_each(|(_, ciphertext)| ciphertext[7] ^= 1);
        }
    });
    assert_eq!(flipped, Err(Check::PairConfirmation));
    let confirmation = changed(|message| {
        if let ToBank::PairConfirmations { confirmations, .. } = message {
            confirmations.iter_mut().for_each(|(_, found)| found[0] ^= 1);
        }
    });
    assert_eq!(confirmation, Err(Check::PairConfirmation));
}

#[test]
fn c_104_ciphertexts_of_banks_that_do_not_exist() {
    let mut setting = Setting::new();
    let result = setting.set_up(Epoch(1), |_, message| {
        if let ToBank::PairCiphertexts { ciphertexts, .. } = message {
            ciphertexts.push((bank(9), vec![0; 1088]));
            ciphertexts.push((bank(u16::MAX), vec![0; 1088]));
        }
    });
    assert_eq!(result, Err(Check::PeerKeys));
}

#[test]
fn it_goes_on_from_its_stored_form_in_the_middle() {
    let mut setting = Setting::new();
    let keys = setting
        .receive(bank(1), ToBank::EpochAsk { epoch: Epoch(1) })
        .unwrap();
    let mut writer = Writer::domain("epochs");
    setting.banks[&bank(1)].write(&mut writer);
    let bytes = writer.finish();
    let restored = EpochParticipant::read(&mut Reader::domain(&bytes, "epochs").unwrap()).unwrap();
    setting.banks.insert(bank(1), restored);
    assert_eq!(
        setting.receive(bank(1), ToBank::EpochAsk { epoch: Epoch(1) }),
        Ok(keys)
    );
    assert_eq!(setting.set_up(Epoch(1), |_, _| ()), Ok(true));
}
