//! Changes of the roster, as the coordinator's engine carries them out: proposed and approved in the log, then logged, pinned by every bank that
//! stays, and only then in force at the coordinator.

use std::collections::BTreeMap;

use veilsum_protocol::ids::Digest;
use veilsum_protocol::log::RosterChain;
use veilsum_protocol::log::entry::Entry;
use veilsum_protocol::log::roster_chain::Step as Change;
use veilsum_protocol::round::participant::Event;
use veilsum_protocol::wire::canonical::Canonical as _;
use veilsum_protocol::wire::signed::Signed;
use veilsum_protocol::wire::statement::RosterApproval;

use crate::stage::consortium::{bank, roster_of};
use crate::stage::node::{Node, Step};
use crate::stage::office::Office;
use crate::stage::world::World;

impl Office {
    /// The rosters that the log names.
    pub fn chain(&self) -> RosterChain {
        let mut chain = RosterChain::default();
        for entry in &self.log.entries {
            chain.read(entry);
        }
        chain
    }

    /// The entry that proposes these members now.
    pub fn proposal_of(&self, members: &[u16]) -> Entry {
        let chain = self.chain();
        Entry::RosterProposal {
            sequence: chain.next_sequence(),
            previous: chain.in_force().unwrap().hash(),
            banks: roster_of(members).banks().to_vec(),
        }
    }

    pub(super) fn roster_approval(&mut self, approval: &Signed<RosterApproval>) {
        let entry = Entry::RosterApproval {
            proposal: approval.claim().proposal,
            bank: approval.claim().bank,
            signature: approval.signature(),
        };
        if matches!(self.chain().read(&entry), Change::Approved(_)) {
            self.log.append(entry);
        }
    }
}

impl World {
    /// Proposes these members, and lets everybody hear of it.
    pub fn propose(&mut self, members: &[u16]) -> Digest {
        let entry = self.office.proposal_of(members);
        let hash = entry.hash();
        self.office.log.append(entry);
        self.catch_up();
        hash
    }

    /// The operators of these banks say yes.
    pub fn approve_roster(&mut self, proposal: Digest, positions: &[u16]) {
        for position in positions {
            self.tell(*position, Event::RosterApproved(proposal));
        }
        self.settle();
        self.catch_up();
    }

    /// Logs the members as the roster, approved or not, and lets everybody hear of it.
    pub fn log_roster(&mut self, members: &[u16]) {
        self.office.pinned.clear();
        // A set-up that is under way is given up.
        self.office.epoch = None;
        self.office.log.append(Entry::from(&roster_of(members)));
        self.catch_up();
    }

    /// The coordinator goes by the roster that the banks have pinned: nobody starts again but those that join.
    pub fn seat(&mut self, members: &[u16]) {
        let old = std::mem::take(&mut self.banks);
        let mut old: BTreeMap<u16, Node> = old
            .into_iter()
            .map(|(position, node)| (self.office.members[usize::from(position.get()) - 1], node))
            .collect();
        self.office.members = members.to_vec();
        self.office.connected.clear();
        self.office.approved.clear();
        self.office.pinned.clear();
        (self.office.epoch, self.office.armed, self.office.machine) = (None, None, None);
        // The position is part of what a bank says about a round that it derives again.
        self.answers.retain(|(_, _, step), _| *step != Step::Derived);
        let count = members.len() as u16;
        for (position, member) in (1..).map(bank).zip(members) {
            let node = old.remove(member).map_or_else(
                || {
                    let mut node = Node::new(position, count, self.office.blobs.clone());
                    node.die();
                    node.members = members.to_vec();
                    node
                },
                |mut node| {
                    assert_eq!(node.followed.take().as_deref(), Some(members), "bank {member}");
                    node.members = members.to_vec();
                    node.bank = position;
                    node
                },
            );
            self.banks.insert(position, node);
        }
        for bank in self.all() {
            self.disconnect(bank);
            if self.banks[&bank].is_up() {
                self.connect(bank);
            } else {
                self.restart(bank);
            }
        }
        self.settle();
    }
}
