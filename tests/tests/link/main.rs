//! Both ends of the connection in one process: a real coordinator's listener, real banks' links, over loopback.
#![allow(clippy::unwrap_used)]

mod admission;
mod peer;
mod pinning;
mod roads;
mod scene;
mod seats;
mod strangers;
mod tcp;
mod transfers;
mod versions;
