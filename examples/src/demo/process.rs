//! Child processes that never outlive this one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::DemoError;

/// How long an orderly stop may take before it is forced.
const PATIENCE: Duration = Duration::from_secs(15);

/// Between two looks at a child that is to end.
const PAUSE: Duration = Duration::from_millis(10);

/// Last lines of a trace that are shown when its daemon dies.
const SHOWN_LINES: usize = 12;

/// The daemons that this process started, by name. They run in process groups of their own, so that Ctrl-C reaches
/// this process alone, and are killed when the last handle is dropped.
#[derive(Clone, Default)]
pub struct Keeper {
    running: Arc<Running>,
}

#[derive(Default)]
struct Running(Mutex<BTreeMap<String, Daemon>>);

struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Daemon>> {
        // A panic elsewhere leaves the map whole: every change to it is one insertion or removal.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill_all(&mut self.lock());
    }
}

fn kill_all(daemons: &mut BTreeMap<String, Daemon>) {
    for daemon in daemons.values_mut() {
        kill_group(&mut daemon.child);
    }
    for daemon in daemons.values_mut() {
        let _ = daemon.child.wait();
    }
    daemons.clear();
}

/// SIGKILL to a daemon and to whatever it runs, as where a tracer was started in its place.
fn kill_group(child: &mut Child) {
    // Either may have ended already.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
}

impl Keeper {
    /// Kills every daemon at SIGINT, SIGTERM or SIGHUP, then ends this process with exit code 130.
    ///
    /// # Errors
    /// If the system gives no thread or no signal handler.
    pub fn kill_all_when_interrupted(&self) -> Result<(), DemoError> {
        use tokio::signal::unix::{SignalKind, signal};
        let what = Path::new("the handler of signals");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(DemoError::file(what))?;
        let (mut interrupt, mut terminate, mut hang_up) = {
            let _inside = runtime.enter();
            let listen = |kind| signal(kind).map_err(DemoError::file(what));
            (
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            )
        };
        let running = Arc::downgrade(&self.running);
        let watch = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hang_up.recv() => {}
                }
            });
            // The lock is held until the process ends, so that no daemon is started behind our back.
            let running = running.upgrade();
            let mut daemons = running.as_ref().map(|running| running.lock());
            if let Some(daemons) = &mut daemons {
                kill_all(daemons);
            }
            eprintln!("\ninterrupted; every process of the consortium was ended");
            std::process::exit(130);
        };
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(watch)
            .map_err(DemoError::file(what))?;
        Ok(())
    }

    /// Starts a daemon. What it prints is added to the end of `log`.
    pub(super) fn start(&self, name: &str, command: &mut Command, log: &Path) -> Result<(), DemoError> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .map_err(DemoError::file(log))?;
        let errors = file.try_clone().map_err(DemoError::file(log))?;
        let mut daemons = self.running.lock();
        let program = PathBuf::from(command.get_program());
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(DemoError::file(&program))?;
        daemons.insert(
            name.to_owned(),
            Daemon {
                child,
                log: log.to_owned(),
            },
        );
        Ok(())
    }

    /// Ends a daemon with SIGKILL, as a power failure would.
    pub(super) fn kill(&self, name: &str) {
        if let Some(mut daemon) = self.running.lock().remove(name) {
            kill_group(&mut daemon.child);
            let _ = daemon.child.wait();
        }
    }

    /// Asks every daemon to stop with SIGTERM and waits for them; those that do not are killed.
    pub(super) fn stop_all(&self) {
        let mut daemons = self.running.lock();
        for daemon in daemons.values() {
            let _ = kill_process(Pid::from_child(&daemon.child), Signal::TERM);
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until
            && daemons
                .values_mut()
                .any(|daemon| matches!(daemon.child.try_wait(), Ok(None)))
        {
            thread::sleep(PAUSE);
        }
        kill_all(&mut daemons);
    }

    /// Whether a daemon of this name was started and has not been ended here.
    pub(super) fn runs(&self, name: &str) -> bool {
        self.running.lock().contains_key(name)
    }

    /// The process of a daemon that runs.
    pub(super) fn pid(&self, name: &str) -> Option<u32> {
        Some(self.running.lock().get(name)?.child.id())
    }

    /// How a daemon ended by itself, which is then forgotten; `None` while it runs, or if none was started.
    pub(super) fn ended(&self, name: &str) -> Option<String> {
        let mut daemons = self.running.lock();
        let status = daemons.get_mut(name)?.child.try_wait().ok()??;
        daemons.remove(name);
        Some(outcome(status))
    }

    /// # Errors
    /// [`DemoError::Died`] for the first daemon that has ended by itself.
    pub(super) fn check(&self) -> Result<(), DemoError> {
        for (name, daemon) in self.running.lock().iter_mut() {
            if let Ok(Some(status)) = daemon.child.try_wait() {
                return Err(DemoError::Died {
                    name: name.clone(),
                    outcome: outcome(status),
                    log: daemon.log.clone(),
                    output: end_of(&daemon.log),
                });
            }
        }
        Ok(())
    }
}

pub(super) fn outcome(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => "an unknown status".to_owned(),
    }
}

fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(SHOWN_LINES)..)
        .unwrap_or_default()
        .join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sleeper(keeper: &Keeper, name: &str, folder: &Path) -> Pid {
        let log = folder.join(name);
        keeper
            .start(name, Command::new("sleep").arg("600"), &log)
            .unwrap();
        Pid::from_child(&keeper.running.lock()[name].child)
    }

    fn is_there(pid: Pid) -> bool {
        rustix::process::test_kill_process(pid).is_ok()
    }

    #[test]
    fn no_daemon_outlives_the_keeper() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::default();
        let pids = ["a", "b"].map(|name| sleeper(&keeper, name, folder.path()));
        assert!(keeper.runs("a") && pids.iter().all(|pid| is_there(*pid)));
        keeper.kill("a");
        assert!(!keeper.runs("a") && !is_there(pids[0]) && is_there(pids[1]));
        drop(keeper);
        assert!(!is_there(pids[1]));
    }

    #[test]
    fn a_daemon_that_dies_is_told_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::default();
        let log = folder.path().join("trace");
        let mut command = Command::new("sh");
        keeper
            .start("bank", command.args(["-c", "echo no table >&2; exit 3"]), &log)
            .unwrap();
        keeper
            .running
            .lock()
            .get_mut("bank")
            .unwrap()
            .child
            .wait()
            .unwrap();
        let told = keeper.check().unwrap_err().to_string();
        assert!(
            told.contains("bank has ended by itself (exit code 3)") && told.ends_with("no table"),
            "{told}"
        );
        keeper.stop_all();
        assert!(keeper.check().is_ok());
    }
}
