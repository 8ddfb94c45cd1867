//! What goes on now, what is waited for and until when, and how the bank is connected.

use maud::{Markup, html};
use veilsum_page::words::{coded, counted, moment, span};

use super::office::View;
use super::tasks::waiting;
use crate::participant::Status;

pub(super) fn section(view: &View) -> Markup {
    let (status, now) = (&view.status, view.now);
    let words = status.doing_words(now);
    html! {
        h2 #now-title data-said=(said(view)) {
            @match status.round { Some(round) => { "Round " (round) }, None => "Now" }
        }
        p.lead data-until=[status.wait.as_ref().and_then(|wait| wait.until)] { (coded_plain(&words)) }
        @if let Some(problem) = &status.data {
            div.notice.bad role="alert" {
                p { b { "The bank's data cannot be used, so it sits rounds out." } " It is read again at the next round; nothing has to be started again." }
                pre { (problem) }
            }
        }
        @if let Some(problem) = &status.egress_problem {
            div.notice.bad role="alert" { p { "What leaves this bank is counted and cannot be written down: " (problem) } }
        }
        (undecided(view))
        @if status.proposed_roster.is_some() {
            div.notice { p { "A change of the roster is proposed. Look at it and decide: " code { "veilsum-client roster show" } } }
        }
        @if let Some(problem) = &status.policy {
            div.notice.bad role="alert" { p { "The policy cannot be read, so this bank sits rounds out and no task is approved: " (problem) } }
        }
        @if let Some(until) = status.outside_hours_until {
            div.notice { p { "Outside of the policy's hours: this bank sits rounds out until " (moment(until.saturating_mul(1000))) "." } }
        }
        (facts(view))
    }
}

/// Said aloud when it changes: without seconds, which change all the time.
fn said(view: &View) -> String {
    let status = &view.status;
    let mut said = match status.round {
        Some(round) => format!("Round {round}: {}", status.doing),
        None => status.doing.clone(),
    };
    for task in waiting(view) {
        said.push_str(&format!(". Task {} waits for your word", task.name));
    }
    said
}

/// The tasks that wait for the bank's word.
fn undecided(view: &View) -> Markup {
    html! {
        @for task in waiting(view) {
            div.notice { p {
                "Task " b { (task.name) } " waits for your word. "
                a id={ "wait-" (task.task) } href={ "/task/" (task.task) } { "Look at it and decide" span.spoken { " on task " (task.name) } }
            } }
        }
    }
}

/// Words of the daemon, in one text node where there is no command in them: the script counts seconds down there.
fn coded_plain(words: &str) -> Markup {
    let words = capital(words) + ".";
    if words.contains('`') {
        coded(&words)
    } else {
        html! { (words) }
    }
}

fn facts(view: &View) -> Markup {
    let (status, now) = (&view.status, view.now);
    let approved = status.tasks.iter().filter(|task| task.approved).count();
    let count = view.account.totals.sum();
    html! {
        dl.facts {
            div { dt { "Connection" } dd { @match &status.connection { Some(it) => (it.transport), None => { span.bad { "none" } } } } }
            div { dt { "Key epoch" } dd { @match status.epoch { Some(epoch) => (epoch), None => "none" } } }
            div { dt { "Certificate" } dd { (certificate(status, now)) } }
            div { dt { "Tasks approved" } dd { (approved) " of " (status.tasks.len()) } }
            div { dt { "Log followed" } dd { (counted(usize::try_from(status.log_entries).unwrap_or(usize::MAX), "entry", "entries")) } }
            div { dt { "Left the bank" } dd { (count.bytes) " B" } }
        }
        p.note.under {
            @match &status.connection {
                Some(it) => {
                    "Connected to " (it.address) " over " (it.transport) " since " (moment(it.since))
                    @if let Some(why) = &it.why { ": " (why) }
                    "."
                }
                None => { (capital(&status.link_words(now))) "." }
            }
        }
    }
}

fn certificate(status: &Status, now: u64) -> Markup {
    let left = status
        .certificate_not_after
        .map(|end| end.saturating_sub(i64::try_from(now / 1000).unwrap_or(i64::MAX)));
    html! {
        @match left.map(u64::try_from) {
            None => "-",
            Some(Ok(left)) => { span.bad[left < 30 * 86_400] { (span(left)) } },
            Some(Err(_)) => { span.bad { "expired" } },
        }
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
