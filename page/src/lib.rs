//! A daemon's page for its own people, over HTTP on the loopback interface: everything of it that is the same for operator and bank.
//!
//! * `server`: the listener and its connections; `routes`: every path with the role that it asks for; `guard`: who comes in; `answer`: the way
//!   from a request to its answer.
//! * `document`: the frame of every page, and of the one that stays up to date; `events`: its sections again as they change; [`words`]: numbers
//!   and times as pages write them.
//!
//! What is shown and done is the daemon's: it implements [`Site`]. A page is whole without JavaScript. Nothing is fetched from elsewhere: style
//! and script are files of the program, and the policy forbids everything else, whatever a name from outside may hold. All text goes through maud.

mod answer;
mod body;
mod document;
mod events;
mod guard;
mod routes;
mod server;
pub mod words;

pub use answer::{Answer, Site, Visit, Words, events, file, page, plain, see_other};
pub use body::{Content, Form};
pub use document::{Frame, Live};
pub use events::{Shown, stream};
pub use guard::{Guard, Session};
pub use routes::{Role, Route};
pub use server::{Server, converse};
