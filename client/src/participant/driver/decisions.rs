//! The operator's decisions on the roster: a proposed one is laid out, the operator's word is taken up, and an approved roster goes into the bank's files.

use veilsum_protocol::crypto::entropy::Entropy;
use veilsum_protocol::ids::Digest;
use veilsum_protocol::roster::Roster;
use veilsum_protocol::roster_change::RosterChange;
use veilsum_protocol::round::participant::Notice;

use super::{Driver, Input};
use crate::participant::channel::Channel;
use crate::participant::error::DriverError;
use crate::participant::roster_files::Decision;

impl<C: Channel, E: Entropy> Driver<C, E> {
    /// Lays out what is proposed, or takes away what is not any more.
    pub(super) fn lay_out_roster(&mut self) -> Result<(), DriverError> {
        let participant = &self.parts.participant;
        let open = participant.proposal().filter(|_| participant.is_in_force());
        self.parts.home.rosters.offer(participant.roster(), open)?;
        self.parts.voice.status.proposed_roster = open.map(|open| open.hash.to_hex());
        Ok(())
    }

    /// What a notice about the roster means for the operator; `None` if it is about something else.
    pub(super) fn roster_notice(&self, notice: &Notice) -> Option<String> {
        let participant = &self.parts.participant;
        Some(match notice {
            Notice::RosterProposed(proposal) => {
                let open = participant.proposal().filter(|open| open.hash == *proposal)?;
                let change = RosterChange::new(participant.roster(), &open.roster);
                let names = |names: Vec<&str>| match names.as_slice() {
                    [] => "nobody".to_owned(),
                    names => names.join(", "),
                };
                format!(
                    "a change of the roster is proposed: {} joins, {} leaves. It takes this bank's approval; to look at it and decide: veilsum-client roster show, then approve or refuse",
                    names(change.joins().map(|bank| bank.name.as_str()).collect()),
                    names(change.leaves().map(|bank| bank.name.as_str()).collect()),
                )
            }
            Notice::RosterWithdrawn(_) => "the proposed change of the roster is withdrawn".to_owned(),
            Notice::RosterNotProposed(proposal) => {
                format!("the decision on roster proposal {proposal:?} came too late: it is not proposed any more, or approved already")
            }
            Notice::RosterChanged(position) => format!(
                "the approved roster of {} banks is in force; this bank has position {position} in it, and consortium.toml names it. Waiting for new keys",
                participant.roster().banks().len()
            ),
            Notice::RosterLeft => {
                "the roster has changed, and this bank is not in it any more: it takes no part in further rounds".to_owned()
            }
            _ => return None,
        })
    }

    /// The operator's word on the proposal that is open.
    pub(super) fn look_for_roster_decision(&mut self) -> Result<(), DriverError> {
        let participant = &self.parts.participant;
        let Some(open) = participant.proposal().filter(|_| participant.is_in_force()) else {
            return Ok(());
        };
        let proposal: Digest = open.hash;
        let is_queued = self
            .inputs
            .iter()
            .any(|input| matches!(input, Input::RosterDecided(queued, _) if *queued == proposal));
        if is_queued || participant.has_approved(&proposal) {
            return Ok(());
        }
        match self.parts.home.rosters.decision(&proposal)? {
            Some(Decision::Approved) => {
                self.parts
                    .voice
                    .mention("the operator approved the proposed roster");
                self.inputs
                    .push_back(Input::RosterDecided(proposal, Decision::Approved));
            }
            // Told once a connection; nothing is bound by it.
            Some(Decision::Refused) if self.connected && self.refusal_told != Some(proposal) => {
                self.parts
                    .voice
                    .mention("the operator refused the proposed roster");
                self.refusal_told = Some(proposal);
                self.inputs
                    .push_back(Input::RosterDecided(proposal, Decision::Refused));
            }
            _ => {}
        }
        Ok(())
    }

    /// The approved roster takes the place of the one in the bank's consortium file.
    pub(super) fn pin(&mut self, roster: &Roster) -> Result<(), DriverError> {
        // The record goes first: it knows both rosters, the file only one.
        self.save()?;
        self.parts.consortium.name(roster)?;
        let positions = self.parts.participant.positions();
        self.parts.voice.status.position = self.parts.participant.bank().get();
        self.parts.positions.replace(positions);
        self.lay_out_roster()
    }
}
