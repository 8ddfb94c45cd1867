//! This machine's clock beside the coordinator's, which tells its time under its certificate before anything is asked.

use time::OffsetDateTime;
use veilsum_admission::Dates;
use veilsum_preflight::Wrong;
use veilsum_protocol::ids::Timestamp;

/// Clocks that differ by more are told.
const TOLD_SECONDS: u64 = 120;

/// By more, certificates are refused: one is valid from ten minutes before its issue.
const WRONG_SECONDS: u64 = 600;

/// How the clocks compare.
#[derive(Debug)]
pub(super) enum Told {
    /// As well as they have to.
    Same(String),
    /// In nobody's way yet.
    Differs(Wrong),
    /// Certificates are refused for it.
    Wrong(Wrong),
}

/// Compares. `ahead`: seconds by which this machine is ahead. `dates`: what this machine's clock says against the coordinator's certificate.
pub(super) fn compare(ahead: i64, here: Timestamp, there: Timestamp, dates: Option<Dates>) -> Told {
    let by = ahead.unsigned_abs();
    // By the coordinator's own clock it is valid: then the clock is the cause, and not the certificate.
    let seems = match dates {
        Some(Dates::NotAfter(end)) if there.0 <= end => Some("to have expired"),
        Some(Dates::NotBefore(begin)) if there.0 >= begin => Some("not to be valid yet"),
        _ => None,
    };
    if by <= TOLD_SECONDS && seems.is_none() {
        return Told::Same(format!("{by} s from the coordinator's"));
    }
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let mut found = format!(
        "this machine's clock is {} minutes {direction} the coordinator's (here {}, there {})",
        by.saturating_add(30) / 60,
        moment(here.0),
        moment(there.0)
    );
    if let Some(seems) = seems {
        found += &format!("; for that alone the coordinator's certificate seems {seems}");
    }
    let todo = "set the clock that is wrong (`timedatectl set-ntp true`; `date -u` shows this one's): as long as they differ, certificates expire too early or begin too late";
    let wrong = Wrong::new("clock", found, todo);
    if by > WRONG_SECONDS || seems.is_some() {
        Told::Wrong(wrong)
    } else {
        Told::Differs(wrong)
    }
}

/// A moment in words.
pub(super) fn moment(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok();
    match at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()) {
        Some(at) => format!(
            "{} {:02}:{:02}:{:02} UTC",
            at.date(),
            at.hour(),
            at.minute(),
            at.second()
        ),
        None => format!("Unix time {seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_800_000_000;

    fn told(ahead: i64, dates: Option<Dates>) -> Told {
        let here = NOON.saturating_add_signed(ahead);
        compare(ahead, Timestamp(here), Timestamp(NOON), dates)
    }

    #[test]
    fn seconds_are_nothing_minutes_are_told_and_an_hour_is_wrong_in_both_directions() {
        assert!(matches!(told(119, None), Told::Same(text) if text == "119 s from the coordinator's"));
        assert!(matches!(told(-119, None), Told::Same(_)));
        for (ahead, part) in [
            (300, "5 minutes ahead of the coordinator's"),
            (-300, "5 minutes behind the coordinator's"),
        ] {
            assert!(
                matches!(told(ahead, None), Told::Differs(wrong) if wrong.detail.contains(part)),
                "{ahead}"
            );
        }
        for (ahead, part) in [(3600, "60 minutes ahead of"), (-3600, "60 minutes behind")] {
            assert!(
                matches!(told(ahead, None), Told::Wrong(wrong) if wrong.cause == "clock" && wrong.detail.contains(part)),
                "{ahead}"
            );
        }
    }

    #[test]
    fn a_certificate_that_only_the_own_clock_is_against_is_the_clocks_fault() {
        let seems = "for that alone the coordinator's certificate seems";
        let ahead = told(3600, Some(Dates::NotAfter(NOON + 60)));
        assert!(
            matches!(ahead, Told::Wrong(wrong) if wrong.detail.contains(&format!("{seems} to have expired")))
        );
        let behind = told(-3600, Some(Dates::NotBefore(NOON - 60)));
        assert!(
            matches!(behind, Told::Wrong(wrong) if wrong.detail.contains(&format!("{seems} not to be valid yet")))
        );
        // By both clocks it has expired: nothing is said of the clock as its cause.
        let both = told(3600, Some(Dates::NotAfter(NOON - 60)));
        assert!(matches!(both, Told::Wrong(wrong) if !wrong.detail.contains(seems)));
    }
}
