//! The invitation as it is given: as an argument, or on standard input, which no list of processes shows.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};

use veilsum_protocol::enrolment::{INVITATION_LIMIT, Invitation, InvitationError};
use zeroize::Zeroizing;

/// In the place of an invitation: it is on standard input.
const STDIN: &str = "-";

/// Most bytes that are read of it: the longest one, in lines that a mail program broke.
const LIMIT: u64 = 4 * INVITATION_LIMIT as u64;

/// Why there is no invitation.
#[derive(Debug, thiserror::Error)]
pub enum NotGiven {
    /// Standard input.
    #[error("standard input: {0}")]
    Input(io::Error),
    /// Nothing was on it.
    #[error("standard input: found nothing, expected the line that the operator sent")]
    Nothing,
    /// What was given is none.
    #[error(transparent)]
    Text(#[from] InvitationError),
}

/// The invitation that `argument` is, or that is on standard input where it is `-`.
///
/// # Errors
/// [`NotGiven`].
pub fn invitation(argument: &str) -> Result<Invitation, NotGiven> {
    if argument != STDIN {
        return Ok(Invitation::from_text(argument)?);
    }
    let stdin = io::stdin().lock();
    if stdin.is_terminal() {
        // Who closed standard error knows what to do.
        let _ = writeln!(
            io::stderr(),
            "paste the line that the operator sent, then press Enter:"
        );
        return read_line(stdin);
    }
    read_all(stdin)
}

fn read_line(input: impl BufRead) -> Result<Invitation, NotGiven> {
    let mut text = Zeroizing::new(String::new());
    input.take(LIMIT).read_line(&mut text).map_err(NotGiven::Input)?;
    parsed(&text)
}

fn read_all(input: impl BufRead) -> Result<Invitation, NotGiven> {
    let mut text = Zeroizing::new(String::new());
    input
        .take(LIMIT)
        .read_to_string(&mut text)
        .map_err(NotGiven::Input)?;
    parsed(&text)
}

fn parsed(text: &str) -> Result<Invitation, NotGiven> {
    if text.trim().is_empty() {
        return Err(NotGiven::Nothing);
    }
    Ok(Invitation::from_text(text)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use veilsum_protocol::crypto::secret::Secret;
    use veilsum_protocol::enrolment::Party;
    use veilsum_protocol::ids::{Digest, Timestamp};

    use super::*;

    fn text() -> String {
        let invitation = Invitation {
            consortium: "demo".to_owned(),
            address: "fl.example:7443".to_owned(),
            server_name: "fl.example".to_owned(),
            party: Party::Bank,
            name: "bank-a".to_owned(),
            authority: Digest::of(b"authority"),
            secret: Secret::from_bytes([7; 32]),
            expires: Timestamp(1),
        };
        invitation.to_text().to_string()
    }

    #[test]
    fn a_pipe_may_break_the_line_and_a_terminal_gives_one() {
        let text = text();
        let broken = format!("\n{}\r\n  {}\n\n", &text[..70], &text[70..]);
        assert_eq!(read_all(broken.as_bytes()).unwrap().name, "bank-a");
        let line = format!("{text}\nwhat comes after it is not read");
        assert_eq!(read_line(line.as_bytes()).unwrap().name, "bank-a");
    }

    #[test]
    fn nothing_too_much_and_no_text_are_told() {
        let told = |bytes: &[u8]| read_all(bytes).unwrap_err().to_string();
        assert!(told(b" \n").contains("found nothing, expected the line"));
        assert!(told(b"hello").contains("not an invitation"));
        assert!(told(&[b'x'; 100_000]).contains("expected at most 2048"));
        assert!(told(b"\xff\xfe").contains("standard input: "));
    }
}
